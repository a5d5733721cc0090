# SPDX-License-Identifier: GPL-2.0
"""The lab's harness: boots guests, runs what is to be tested in them, and judges how that went."""
