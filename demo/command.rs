// SPDX-License-Identifier: GPL-2.0

//! The language of the `control` file.

use super::name::Name;
use crate::{
    kthread::Policy,
    stats::counters::Kind, //
};
use kernel::prelude::*;

/// What `control` shows when it is read.
pub(crate) const HELP: &str = "\
create NAME [kind=event|periodic] [period_us=N] [cpu=N|node=N] [policy=normal|fifo|fifo_low] [nice=N] [freezable=yes|no]
	make a worker, which does not run yet	create a kind=periodic period_us=5000 nice=5
start NAME
	wake a created worker for the first time	start a
run NAME [the words of create]
	create and start	run b
wake NAME
	let an event worker do one unit of work	wake b
park NAME
	return once the worker is parked	park b
unpark NAME
	let a parked worker go on	unpark b
stop NAME
	return once the worker has exited and its directory is gone	stop b
stop-all
	stop every worker	stop-all
";

/// The longest period of a periodic worker: one hour.
pub(crate) const MAX_PERIOD_US: u64 = 3_600_000_000;

/// The CPUs of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// All CPUs on which the kernel lets threads run.
    Anywhere,
    /// On one CPU.
    Cpu(u32),
    /// On the CPUs of one NUMA node.
    Node(u32),
}

/// The words of `create` and `run` after the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// `None` keeps the value inherited from kthreadd.
    pub(crate) policy: Option<Policy>,
    pub(crate) freezable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: Kind::Event,
            place: Place::Anywhere,
            policy: None,
            freezable: false,
        }
    }
}

/// One command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Create(Name, Options),
    Start(Name),
    Run(Name, Options),
    Wake(Name),
    Park(Name),
    Unpark(Name),
    Stop(Name),
    StopAll,
}

impl Command {
    /// Parses a command.
    ///
    /// Periodic workers that name no period get `period_us`.
    ///
    /// Fails with [`EINVAL`], or [`ENAMETOOLONG`] for a name that is too long.
    pub(crate) fn parse(text: &[u8], period_us: u64) -> Result<Self> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.iter().any(|byte| matches!(byte, b'\n' | b'\0')) {
            return Err(EINVAL);
        }
        let mut words = text
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty());

        let command = match words.next().ok_or(EINVAL)? {
            b"create" => Self::Create(name(&mut words)?, Options::parse(&mut words, period_us)?),
            b"run" => Self::Run(name(&mut words)?, Options::parse(&mut words, period_us)?),
            b"start" => Self::Start(name(&mut words)?),
            b"wake" => Self::Wake(name(&mut words)?),
            b"park" => Self::Park(name(&mut words)?),
            b"unpark" => Self::Unpark(name(&mut words)?),
            b"stop" => Self::Stop(name(&mut words)?),
            b"stop-all" => Self::StopAll,
            _ => return Err(EINVAL),
        };
        match words.next() {
            None => Ok(command),
            Some(_) => Err(EINVAL),
        }
    }
}

impl Options {
    fn parse<'a>(words: impl Iterator<Item = &'a [u8]>, default_period_us: u64) -> Result<Self> {
        let mut kind = None;
        let mut period_us = None;
        let mut place = None;
        let mut policy = None;
        let mut nice = None;
        let mut freezable = None;

        for word in words {
            let equals = word.iter().position(|byte| *byte == b'=').ok_or(EINVAL)?;
            let (key, value) = (word.get(..equals), word.get(equals + 1..).ok_or(EINVAL)?);

            match key.ok_or(EINVAL)? {
                b"kind" => set_once(&mut kind, value)?,
                b"period_us" => set_once(&mut period_us, period(number(value)?)?)?,
                b"cpu" => set_once(&mut place, Place::Cpu(number(value)?))?,
                b"node" => set_once(&mut place, Place::Node(number(value)?))?,
                b"policy" => set_once(&mut policy, value)?,
                b"nice" => set_once(&mut nice, nice_value(number(value)?)?)?,
                b"freezable" => set_once(&mut freezable, yes_or_no(value)?)?,
                _ => return Err(EINVAL),
            }
        }

        let kind = match (kind, period_us) {
            (None | Some(b"event"), None) => Kind::Event,
            (Some(b"periodic"), period_us) => Kind::Periodic {
                period_us: period_us.unwrap_or(default_period_us),
            },
            #[cfg(kthread_tests)]
            (Some(b"oops"), None) => Kind::Oops,
            #[cfg(kthread_tests)]
            (Some(b"panic"), None) => Kind::Panic,
            _ => return Err(EINVAL),
        };
        let policy = match (policy, nice) {
            (None, None) => None,
            (None | Some(b"normal"), nice) => Some(Policy::Normal {
                nice: nice.unwrap_or(0),
            }),
            (Some(b"fifo"), None) => Some(Policy::Fifo),
            (Some(b"fifo_low"), None) => Some(Policy::FifoLow),
            _ => return Err(EINVAL),
        };

        Ok(Self {
            kind,
            place: place.unwrap_or(Place::Anywhere),
            policy,
            freezable: freezable.unwrap_or(false),
        })
    }
}

/// Checks the period of a periodic worker.
pub(crate) fn period(us: u64) -> Result<u64> {
    if us == 0 || us > MAX_PERIOD_US {
        return Err(EINVAL);
    }
    Ok(us)
}

/// Checks a nice value.
fn nice_value(nice: i32) -> Result<i32> {
    if !(-20..=19).contains(&nice) {
        return Err(EINVAL);
    }
    Ok(nice)
}

fn yes_or_no(value: &[u8]) -> Result<bool> {
    match value {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(EINVAL),
    }
}

/// Takes the next word as a name.
fn name<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<Name> {
    Name::new(words.next().ok_or(EINVAL)?)
}

/// Stores `value`, unless the slot already has one.
fn set_once<T>(slot: &mut Option<T>, value: T) -> Result {
    if slot.replace(value).is_some() {
        return Err(EINVAL);
    }
    Ok(())
}

/// Parses a decimal number, which may have a `-` if the type has negative numbers.
fn number<T: TryFrom<i64>>(digits: &[u8]) -> Result<T> {
    let (negative, digits) = match digits.strip_prefix(b"-") {
        Some(digits) if T::try_from(-1).is_ok() => (true, digits),
        _ => (false, digits),
    };
    if digits.is_empty() {
        return Err(EINVAL);
    }

    let mut value = 0i64;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(EINVAL);
        }
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i64::from(byte - b'0')))
            .ok_or(EINVAL)?;
    }
    T::try_from(if negative { -value } else { value }).map_err(|_| EINVAL)
}

#[kunit_tests(rust_kthread_demo_command)]
mod tests {
    use super::*;
    use crate::kthread::enametoolong;

    fn parse(text: &[u8]) -> Result<Command> {
        Command::parse(text, 7)
    }

    fn options(text: &[u8]) -> Result<Options> {
        match parse(text)? {
            Command::Create(_, options) | Command::Run(_, options) => Ok(options),
            _ => Err(EINVAL),
        }
    }

    #[test]
    fn names_a_worker() {
        let w0 = Name::new(b"w0").unwrap();

        for text in [
            &b"wake w0"[..],
            b"wake w0\n",
            b" \twake  w0 ",
            b"wake\tw0\t\n",
        ] {
            assert!(parse(text) == Ok(Command::Wake(w0)));
        }
        assert!(parse(b"start w0") == Ok(Command::Start(w0)));
        assert!(parse(b"park w0") == Ok(Command::Park(w0)));
        assert!(parse(b"unpark w0") == Ok(Command::Unpark(w0)));
        assert!(parse(b"stop w0") == Ok(Command::Stop(w0)));
        assert!(parse(b"stop-all\n") == Ok(Command::StopAll));
        assert!(parse(b"create w0") == Ok(Command::Create(w0, Options::default())));
        assert!(parse(b"run w0") == Ok(Command::Run(w0, Options::default())));
    }

    #[test]
    fn takes_options_in_any_order() {
        let all = options(
            b"create a nice=-20 cpu=1 freezable=yes period_us=5 policy=normal kind=periodic",
        );

        assert_eq!(
            all,
            Ok(Options {
                kind: Kind::Periodic { period_us: 5 },
                place: Place::Cpu(1),
                policy: Some(Policy::Normal { nice: -20 }),
                freezable: true,
            })
        );
        assert_eq!(
            options(b"run a kind=periodic").map(|options| options.kind),
            Ok(Kind::Periodic { period_us: 7 })
        );
        assert_eq!(
            options(b"run a node=4294967295").map(|options| options.place),
            Ok(Place::Node(u32::MAX))
        );
        assert_eq!(
            options(b"run a policy=fifo").map(|options| options.policy),
            Ok(Some(Policy::Fifo))
        );
        assert_eq!(
            options(b"run a policy=fifo_low").map(|options| options.policy),
            Ok(Some(Policy::FifoLow))
        );
        assert_eq!(
            options(b"run a kind=event freezable=no"),
            Ok(Options::default())
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in [
            &b""[..],
            b"\n",
            b" ",
            b"wake",
            b"wake a b",
            b"wake a\n\n",
            b"wake\na",
            b"wake a\0",
            b"Wake a",
            b"jump a",
            b"jump 1234567890123456",
            b"stop-all a",
            b"create",
            b"create a b",
            b"create a kind",
            b"create a kind=",
            b"create a kind=timer",
            #[cfg(not(kthread_tests))]
            b"create a kind=oops",
            b"create a colour=red",
            b"create a kind=event kind=event",
            b"create a cpu=0 node=0",
            b"create a cpu=",
            b"create a cpu=-1",
            b"create a cpu=-0",
            b"create a cpu=+1",
            b"create a cpu=0x1",
            b"create a cpu=4294967296",
            b"create a cpu=99999999999999999999",
            b"create a nice=20",
            b"create a nice=-21",
            b"create a nice=--1",
            b"create a policy=rr",
            b"create a policy=fifo nice=0",
            b"create a freezable=1",
            b"create a freezable=no freezable=no",
            b"create a period_us=5",
            b"create a kind=event period_us=5",
            b"create a kind=periodic period_us=0",
            b"create a kind=periodic period_us=3600000001",
        ] {
            assert!(parse(text) == Err(EINVAL));
        }
        assert!(parse(b"wake 1234567890123456") == Err(enametoolong()));
    }
}
