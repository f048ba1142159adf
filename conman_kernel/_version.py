"""The version of the distribution ``conman``: the one place where it is written."""

VERSION = "0.1.0"
