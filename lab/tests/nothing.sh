#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# For a lab whose kernel log is all that is looked at.
