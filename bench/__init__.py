# SPDX-License-Identifier: GPL-2.0
"""Rust against C, counted in instructions."""
