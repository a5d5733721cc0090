// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz SEED COUNT MAX_WORKERS CPUS [STAYING]: gives COUNT commands to
 * rust_kthread_demo, which has just been loaded without workers: valid ones, almost
 * valid ones and noise. All CPUs are online; with STAYING only the first STAYING CPUs
 * are guaranteed to stay, and the others may go offline. After each command it
 * compares errno, totals and the worker with a model of the commands. The first
 * difference ends it with status 1, so the commands given so far are the shortest
 * prefix that shows it.
 */

#include "demo.h"
#include <ctype.h>
#include <sys/mman.h>
#include <time.h>

#define MAX_LEN 256
#define MAX_NAME 15
#define DEFAULT_PERIOD_US 100000
#define HISTORY 8

/* The possible errors of a command. If several apply, any may be returned. */
static const int errnos[] = { 0, EINVAL, ENAMETOOLONG, E2BIG, EFAULT, ENOENT, EEXIST, EBUSY, ENOSPC, ENODEV };
#define ERR(err) (1u << err_index(err))

enum verb { CREATE, RUN, START, WAKE, PARK, UNPARK, STOP, STOP_ALL, NO_VERB };

static const char * const verbs[] = {
	"create", "run", "start", "wake", "park", "unpark", "stop", "stop-all"
};

enum state { CREATED_STATE, RUNNING, PARKED };

static const char * const state_names[] = { "created", "running", "parked" };

struct command {
	enum verb verb;
	char name[MAX_NAME + 1];
	bool periodic, fifo, fifo_low, freezable;
	long nice, cpu, node;
};

struct worker {
	struct command as_created;
	enum state state;
	uint64_t wakes, parks, unparks;
	bool exists;
};

static const char * const names[] = {
	"a", "b", "c", "d", "e", "f", "g", "h", "i", "...", "-", "A.b-c_9", "123456789012345"
};

static struct worker workers[ARRAY_SIZE(names)];
static uint64_t totals[TOTALS];
static unsigned int max_workers, cpus, staying;
static int control_fd, stats_fd;

static struct {
	char text[2 * MAX_LEN];
	size_t len;
	int err;
} history[HISTORY];

static unsigned int err_index(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (errnos[i] == err)
			return i;
	return 31;
}

/*
 * The model: parsing a command.
 */

static bool is_name_byte(unsigned char byte)
{
	return byte < 128 && (isalnum(byte) || strchr("_.-", byte)) && byte;
}

static unsigned int parse_name(const char *word, size_t len, char *name)
{
	unsigned int faults = 0;

	for (size_t i = 0; i < len; i++)
		if (!is_name_byte(word[i]))
			faults |= ERR(EINVAL);
	if ((len == 1 && word[0] == '.') || (len == 2 && word[0] == '.' && word[1] == '.'))
		faults |= ERR(EINVAL);
	if (len > MAX_NAME)
		faults |= ERR(ENAMETOOLONG);
	if (!faults)
		snprintf(name, MAX_NAME + 1, "%.*s", (int)len, word);
	return faults;
}

static bool parse_number(const char *word, size_t len, long min, long max, long *number)
{
	bool negative = min < 0 && len && *word == '-';
	long long value = 0;

	if (len <= negative)
		return false;
	for (size_t i = negative; i < len; i++) {
		if (word[i] < '0' || word[i] > '9')
			return false;
		/* Beyond all limits, but without overflow. */
		if (value < 1000000000000)
			value = value * 10 + word[i] - '0';
	}
	*number = negative ? -value : value;
	return *number >= min && *number <= max;
}

static bool is_word(const char *word, size_t len, const char *expected)
{
	return len == strlen(expected) && !memcmp(word, expected, len);
}

static bool has_key(const char **word, size_t *len, const char *key)
{
	size_t key_len = strlen(key);

	if (*len < key_len || memcmp(*word, key, key_len))
		return false;
	*word += key_len;
	*len -= key_len;
	return true;
}

/* The options that a command has named: kind, period_us, place, policy, nice, freezable. */
enum option { KIND = 1, PERIOD = 2, PLACE = 4, POLICY = 8, NICE = 16, FREEZABLE = 32 };

static unsigned int parse_option(const char *word, size_t len, struct command *c, unsigned int *seen)
{
	enum option option;
	long period;
	bool good;

	if (has_key(&word, &len, "kind=")) {
		option = KIND;
		c->periodic = is_word(word, len, "periodic");
		good = c->periodic || is_word(word, len, "event");
	} else if (has_key(&word, &len, "period_us=")) {
		option = PERIOD;
		good = parse_number(word, len, 1, 3600000000, &period);
	} else if (has_key(&word, &len, "cpu=")) {
		option = PLACE;
		good = parse_number(word, len, 0, UINT32_MAX, &c->cpu);
	} else if (has_key(&word, &len, "node=")) {
		option = PLACE;
		good = parse_number(word, len, 0, UINT32_MAX, &c->node);
	} else if (has_key(&word, &len, "policy=")) {
		option = POLICY;
		c->fifo = is_word(word, len, "fifo");
		c->fifo_low = is_word(word, len, "fifo_low");
		good = c->fifo || c->fifo_low || is_word(word, len, "normal");
	} else if (has_key(&word, &len, "nice=")) {
		option = NICE;
		good = parse_number(word, len, -20, 19, &c->nice);
	} else if (has_key(&word, &len, "freezable=")) {
		option = FREEZABLE;
		c->freezable = is_word(word, len, "yes");
		good = c->freezable || is_word(word, len, "no");
	} else {
		return ERR(EINVAL);
	}
	if (*seen & option)
		good = false;
	*seen |= option;
	return good ? 0 : ERR(EINVAL);
}

/* Parses a command. Returns its possible errors. */
static unsigned int parse(const char *text, size_t len, struct command *c)
{
	unsigned int faults = 0, seen = 0, words = 0;

	*c = (struct command){ .verb = NO_VERB, .cpu = -1, .node = -1 };
	if (len && text[len - 1] == '\n')
		len--;
	if (memchr(text, '\n', len) || memchr(text, 0, len))
		return ERR(EINVAL);

	for (size_t at = 0, end; at < len; at = end, words++) {
		while (at < len && (text[at] == ' ' || text[at] == '\t'))
			at++;
		if (at == len)
			break;
		for (end = at; end < len && text[end] != ' ' && text[end] != '\t'; )
			end++;
		if (!words) {
			for (enum verb v = CREATE; v < NO_VERB; v++)
				if (is_word(text + at, end - at, verbs[v]))
					c->verb = v;
			/* The rest of the line is ignored. */
			if (c->verb == NO_VERB)
				return ERR(EINVAL);
		} else if (words == 1 && c->verb != STOP_ALL) {
			faults |= parse_name(text + at, end - at, c->name);
		} else if (c->verb == CREATE || c->verb == RUN) {
			faults |= parse_option(text + at, end - at, c, &seen);
		} else {
			faults |= ERR(EINVAL);
		}
	}
	if (words < (c->verb == STOP_ALL ? 1 : 2))
		faults |= ERR(EINVAL);
	if ((seen & PERIOD) && !c->periodic)
		faults |= ERR(EINVAL);
	if ((seen & NICE) && (c->fifo || c->fifo_low))
		faults |= ERR(EINVAL);
	return faults;
}

/*
 * The model: executing a command.
 */

/* Names outside the list come from noise, and the model has no room for them. */
static struct worker *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return &workers[i];
	return NULL;
}

static void stop(struct worker *w)
{
	w->exists = false;
	totals[STOPPED]++;
	totals[WORKERS]--;
}

static void start(struct worker *w)
{
	w->state = RUNNING;
	totals[STARTED]++;
}

static unsigned int create(const struct command *c, struct worker *w, int err)
{
	unsigned int faults = 0;

	if (w->exists)
		faults |= ERR(EEXIST);
	if (totals[WORKERS] >= max_workers)
		faults |= ERR(ENOSPC);
	if (c->cpu >= cpus || c->node >= 1)
		faults |= ERR(ENODEV);
	/* The result shows whether the CPU was online. */
	if (c->cpu >= staying && err == ENODEV)
		faults |= ERR(ENODEV);
	if (faults)
		return faults;

	*w = (struct worker){ .as_created = *c, .exists = true };
	totals[CREATED]++;
	totals[WORKERS]++;
	if (totals[WORKERS_PEAK] < totals[WORKERS])
		totals[WORKERS_PEAK] = totals[WORKERS];
	if (c->verb == RUN)
		start(w);
	return ERR(0);
}

/*
 * Returns the possible errnos. Executes the command if there is none, or, if there are
 * several possible results, if it has succeeded.
 */
static unsigned int execute(const struct command *c, int err)
{
	struct worker *w = find(c->name);

	if (c->verb == STOP_ALL) {
		for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
			if (workers[i].exists)
				stop(&workers[i]);
		return ERR(0);
	}
	if (c->verb == CREATE || c->verb == RUN)
		return create(c, w, err);
	if (!w || !w->exists)
		return ERR(ENOENT);
	switch (c->verb) {
	case START:
		if (w->state != CREATED_STATE)
			return ERR(EBUSY);
		start(w);
		break;
	case WAKE:
		if (w->as_created.periodic)
			return ERR(EINVAL) | (w->state == RUNNING ? 0 : ERR(EBUSY));
		if (w->state != RUNNING)
			return ERR(EBUSY);
		w->wakes++;
		totals[WAKES]++;
		break;
	case PARK:
		if (w->state != RUNNING)
			return ERR(EBUSY);
		w->state = PARKED;
		w->parks++;
		totals[PARKS]++;
		break;
	case UNPARK:
		if (w->state != PARKED)
			return ERR(EBUSY);
		w->state = RUNNING;
		w->unparks++;
		totals[UNPARKS]++;
		break;
	default:
		stop(w);
	}
	return ERR(0);
}

/*
 * Generating commands.
 */

static const char * const values[] = {
	"0", "1", "-1", "-0", "007", "19", "20", "-20", "-21", "+1", "1x", "0x1", "", " ", "255",
	"2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296",
	"3600000000", "3600000001", "9223372036854775807", "9223372036854775808",
	"-9223372036854775808", "18446744073709551615", "18446744073709551616",
	"99999999999999999999999", "event", "periodic", "normal", "fifo", "fifo_low", "yes", "no",
	"%s%n", "\t"
};

static const char * const keys[] = {
	"kind", "period_us", "cpu", "node", "policy", "nice", "freezable", "colour", "", "Kind", "nice "
};

/* The limits of numbers, and values beyond them. */
static const char * const limits[] = {
	"nice=-20", "nice=-21", "nice=19", "nice=20", "cpu=0", "cpu=8191", "cpu=4294967295",
	"cpu=4294967296", "node=0", "node=1", "node=4294967295", "node=4294967296",
	"kind=periodic period_us=0", "kind=periodic period_us=1000",
	"kind=periodic period_us=3600000000", "kind=periodic period_us=3600000001"
};

static const char * const odd_names[] = {
	".", "..", "", "a/b", "%p%n%s", "1234567890123456", "x", "nobody", "a:b", "\xc3\xa4", "w0",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
};

static size_t add(char *text, size_t len, const char *more)
{
	size_t n = strlen(more);

	memcpy(text + len, more, n);
	return len + n;
}

/* The operations on a worker. */
static enum verb fitting(const struct worker *w)
{
	static const enum verb of_running[] = { WAKE, WAKE, WAKE, PARK, PARK, PARK, STOP };

	if (!w->exists)
		return below(2) ? CREATE : RUN;
	if (w->state == CREATED_STATE)
		return below(4) ? START : STOP;
	if (w->state == PARKED)
		return below(8) ? UNPARK : STOP;
	return one_of(of_running);
}

/* A well-formed command, which may still not fit the current state. */
static size_t valid(char *text)
{
	enum verb verb = below(400) ? below(STOP_ALL) : STOP_ALL;
	unsigned int name = below(ARRAY_SIZE(names));
	char number[32];
	size_t len;

	/* Ending a worker takes longest and tests least. */
	if (verb == STOP && below(2))
		verb = WAKE;
	if (!below(3) && verb != STOP_ALL)
		verb = fitting(&workers[name]);
	len = add(text, 0, verbs[verb]);
	if (verb == STOP_ALL)
		return len;
	len = add(text, len, " ");
	len = add(text, len, names[name]);
	if (verb != CREATE && verb != RUN)
		return len;

	bool fifo = !below(8);

	if (!below(4)) {
		len = add(text, len, " kind=periodic");
		/* A short period with a real-time policy would starve this program. */
		if (below(2))
			len = add(text, len, fifo ? " period_us=3600000000" : " period_us=20000");
	} else if (!below(4)) {
		len = add(text, len, " kind=event");
	}
	if (fifo) {
		len = add(text, len, below(2) ? " policy=fifo" : " policy=fifo_low");
	} else if (!below(3)) {
		snprintf(number, sizeof(number), " nice=%d", (int)below(40) - 20);
		len = add(text, len, number);
	}
	if (!below(4)) {
		snprintf(number, sizeof(number), " cpu=%d", below(cpus));
		len = add(text, len, number);
	} else if (!below(8)) {
		len = add(text, len, " node=0");
	}
	if (!below(8))
		len = add(text, len, below(4) ? " freezable=yes" : " freezable=no");
	return len;
}

/* An almost valid command. */
static size_t almost_valid(char *text)
{
	size_t len = valid(text), at = below(len), n;

	switch (below(13)) {
	case 0:
		text[at] ^= 1 << below(8);
		return len;
	case 1:
		memmove(text + at, text + at + 1, len - at - 1);
		return len - 1;
	case 2:
		memmove(text + at + 1, text + at, len - at);
		text[at] = random_u64();
		return len + 1;
	case 3:
		return at;
	case 4:
		text[len] = "\n \t\0"[below(4)];
		return len + 1;
	case 5:
		return add(text, len, "\n\n");
	case 6:
		return add(text, len, " a");
	case 7:
		len = add(text, 0, verbs[below(STOP_ALL)]);
		len = add(text, len, below(8) ? " " : "\v");
		return add(text, len, one_of(odd_names));
	case 8:
	case 9:
	case 10:
		/* A real-time worker with a short period would starve this program. */
		if (strstr(text, "fifo"))
			return len;
		len = add(text, 0, below(2) ? "create " : "run ");
		len = add(text, len, one_of(names));
		for (n = below(4); n; n--) {
			len = add(text, len, " ");
			if (below(2)) {
				len = add(text, len, one_of(limits));
				continue;
			}
			len = add(text, len, one_of(keys));
			len = add(text, len, below(16) ? "=" : "");
			len = add(text, len, one_of(values));
		}
		if (memmem(text, len, "fifo", 4) && memmem(text, len, "period_us=", 10))
			len = add(text, len, " twice nice=0 nice=0");
		return len;
	case 11:
		memmove(text + at + 3, text + at, len - at);
		memcpy(text + at, " \t ", 3);
		return len + 3;
	default:
		/* As long as possible, and longer. */
		n = MAX_LEN - 2 + below(5);
		memset(text + len, below(2) ? ' ' : 'x', n - len);
		return n;
	}
}

static size_t noise(char *text)
{
	static const char bytes[] = "creatunpkswo-l =\n\t._%09";
	size_t len = below(8) ? below(40) : below(2 * MAX_LEN);

	for (size_t i = 0; i < len; i++)
		text[i] = below(2) ? (char)random_u64() : one_of(bytes);
	return len;
}

/*
 * Comparison.
 */

static void print_command(const char *text, size_t len)
{
	putchar('\'');
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = text[i];

		if (isprint(byte) && byte != '\'' && byte != '\\')
			putchar(byte);
		else
			printf("\\%03o", byte);
	}
	putchar('\'');
}

static unsigned long given;

/* Prints the difference and the last commands, and ends the program. */
static _Noreturn void __printf(1, 2) differ(const char *format, ...)
{
	va_list args;

	printf("after command %lu: ", given);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nthe last commands (as printf(1) takes them) and what came of them:\n");
	for (unsigned long n = given > HISTORY ? given - HISTORY : 0; n < given; n++) {
		printf("%7lu ", n + 1);
		print_command(history[n % HISTORY].text, history[n % HISTORY].len);
		printf(" %s\n", errno_name(history[n % HISTORY].err));
	}
	printf("shortest %lu\n", given);
	exit(1);
}

static const char *expected_names(unsigned int expected)
{
	static char text[100];
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (expected & 1u << i)
			len += snprintf(text + len, sizeof(text) - len, "%s%s", len ? " or " : "",
					errno_name(errnos[i]));
	return text;
}

static void compare_totals(void)
{
	uint64_t found[TOTALS];
	char text[1024];
	ssize_t len = pread(stats_fd, text, sizeof(text) - 1, 0);

	if (len < 0)
		differ("stats could not be read: %s", errno_name(errno));
	text[len] = 0;
	if (!parse_totals(text, found))
		differ("stats is not in its form:\n%s", text);
	for (int i = 0; i < TOTALS; i++)
		if (i != RUNS && found[i] != totals[i])
			differ("%s is %lu, expected %lu", total_names[i], found[i], totals[i]);
}

static int read_worker(const char *name, const char *file, char *text, size_t size)
{
	char path[sizeof(DEMO) + 64];

	snprintf(path, sizeof(path), DEMO "/workers/%s/%s", name, file);
	return read_text(AT_FDCWD, path, text, size);
}

static void compare_worker(const char *name)
{
	struct worker *w = find(name);
	unsigned long wakes, runs, parks, unparks;
	char text[1024], state[16], kind[16];
	int len = read_worker(name, "stats", text, sizeof(text));

	if (!w || !w->exists) {
		if (len != -ENOENT)
			differ("%s is there", name);
		return;
	}
	if (len < 0)
		differ("stats of %s could not be read: %s", name, errno_name(-len));
	if (sscanf(text, "state %15s\nkind %15s\nwakes %lu\nruns %lu\nparks %lu\nunparks %lu\n",
		   state, kind, &wakes, &runs, &parks, &unparks) != 6)
		differ("stats of %s is not in its form:\n%s", name, text);
	if (strcmp(state, state_names[w->state]))
		differ("%s is %s, expected %s", name, state, state_names[w->state]);
	if (strcmp(kind, w->as_created.periodic ? "periodic" : "event"))
		differ("the kind of %s is %s", name, kind);
	if (wakes != w->wakes || parks != w->parks || unparks != w->unparks)
		differ("%s has wakes, parks, unparks %lu %lu %lu, expected %lu %lu %lu", name,
		       wakes, parks, unparks, w->wakes, w->parks, w->unparks);
	if (w->state == CREATED_STATE ? runs != 0 : !w->as_created.periodic && runs > wakes)
		differ("%s has %lu runs", name, runs);
}

static void compare_identity(const char *name)
{
	const struct command *c = &find(name)->as_created;
	char text[1024], expected[256], cpu_list[24];
	int len = read_worker(name, "identity", text, sizeof(text));
	const char *policy, *end;

	if (len < 0)
		differ("identity of %s could not be read: %s", name, errno_name(-len));
	snprintf(cpu_list, sizeof(cpu_list), cpus > 1 ? "0-%d" : "0", cpus - 1);
	if (c->cpu >= 0)
		snprintf(cpu_list, sizeof(cpu_list), "%ld", c->cpu);
	/* Then the CPUs of a thread do not only depend on the command. */
	if (staying < cpus && sscanf(strstr(text, "cpus_allowed "), "cpus_allowed %23s", cpu_list) != 1)
		differ("identity of %s is not in its form:\n%s", name, text);
	snprintf(expected, sizeof(expected),
		 "policy %s\nnice %ld\nrt_priority %d\ncpus_allowed %s\nnuma_node %ld\nnofreeze ",
		 c->fifo || c->fifo_low ? "fifo" : "normal", c->nice, c->fifo ? 50 : c->fifo_low, cpu_list,
		 c->node);
	policy = strstr(text, "policy ");
	if (!policy || strncmp(policy, expected, strlen(expected)))
		differ("identity of %s is\n%sexpected\n%s", name, text, expected);
	/* A thread becomes freezable when it begins to run. */
	end = policy + strlen(expected);
	if (strcmp(end, "yes\n") && (strcmp(end, "no\n") || !c->freezable || c->verb != RUN))
		differ("identity of %s is\n%sas freezable=%s", name, text, c->freezable ? "yes" : "no");
	snprintf(expected, sizeof(expected), "comm %s\n", name);
	if (strncmp(text, expected, strlen(expected)))
		differ("identity of %s is\n%sexpected %s", name, text, expected);
}

/* Finally all event workers that are not parked have done all their work. */
static void compare_runs(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		struct worker *w = &workers[i];
		unsigned long runs = 0;
		char text[1024];

		if (!w->exists || w->state != RUNNING || w->as_created.periodic)
			continue;
		for (int tries = 0; ; tries++) {
			if (read_worker(names[i], "stats", text, sizeof(text)) > 0)
				sscanf(strstr(text, "runs "), "runs %lu", &runs);
			if (runs == w->wakes)
				break;
			if (tries == 10000)
				differ("%s has %lu runs, expected %lu", names[i], runs, w->wakes);
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
}

static void give(char *bad_pointer)
{
	unsigned int expected, choice = below(100);
	struct command c;
	char text[2 * MAX_LEN + 300];
	char *from = text;
	size_t len;
	int err;

	memset(text, 0, sizeof(text));
	len = choice < 65 ? valid(text) : choice < 92 ? almost_valid(text) : noise(text);
	/* Otherwise a worker that the model has no room for would never be stopped. */
	expected = parse(text, len, &c);
	if (!expected && (c.verb == CREATE || c.verb == RUN) && !find(c.name)) {
		len = add(text, 0, "wake ");
		len = add(text, len, c.name);
		expected = parse(text, len, &c);
	}
	if (choice == 99)
		from = bad_pointer;
	if (choice == 98 && len <= MAX_LEN && len > 4) {
		/* Everything except its end is readable. */
		memcpy(bad_pointer - 4, text, 4);
		from = bad_pointer - 4;
	}
	if (len > MAX_LEN)
		expected = ERR(E2BIG);
	else if (from != text && len)
		expected = ERR(EFAULT);

	err = write(control_fd, from, len) < 0 ? errno : 0;
	if (!expected)
		expected = execute(&c, err);
	else
		c.verb = NO_VERB;

	len = len > sizeof(history[0].text) ? sizeof(history[0].text) : len;
	memcpy(history[given % HISTORY].text, text, len);
	history[given % HISTORY].len = len;
	history[given % HISTORY].err = err;
	given++;
	totals[err ? COMMANDS_REJECTED : COMMANDS]++;

	if (!(ERR(err) & expected))
		differ("%s, expected %s", errno_name(err), expected_names(expected));
	compare_totals();
	if (c.verb < STOP_ALL)
		compare_worker(c.name);
	if (c.verb <= RUN && !err)
		compare_identity(c.name);
	if (c.verb == STOP_ALL)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			compare_worker(names[i]);
}

int main(int argc, char **argv)
{
	long page = sysconf(_SC_PAGESIZE);
	unsigned long count;
	char *map;

	if (argc != 5 && argc != 6)
		die("usage: fuzz SEED COUNT MAX_WORKERS CPUS [STAYING]");
	random_state = strtoull(argv[1], NULL, 0);
	count = strtoul(argv[2], NULL, 0);
	max_workers = atoi(argv[3]);
	cpus = atoi(argv[4]);
	staying = atoi(argv[argc - 1]);
	control_fd = open(DEMO "/control", O_RDWR);
	stats_fd = open(DEMO "/stats", O_RDONLY);
	if (control_fd < 0 || stats_fd < 0)
		die("no debugfs files: %s", errno_name(errno));
	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || mprotect(map + page, page, PROT_NONE))
		die("no memory: %s", errno_name(errno));

	compare_totals();
	while (given < count)
		give(map + page);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		compare_worker(names[i]);
	compare_runs();
	for (int i = 0; i < TOTALS; i++)
		printf("%s%s %lu", i ? ", " : "", total_names[i], i == RUNS ? 0 : totals[i]);
	putchar('\n');
	return 0;
}
