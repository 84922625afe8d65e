"""Judgements about what lies outside: how long a certificate lasts, whether to tell we are well."""
