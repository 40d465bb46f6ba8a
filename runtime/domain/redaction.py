"""Secrets in what a student typed, taken out before it leaves the daemon.

By shape, so it errs on the side of taking out: keys of the well-known providers, private keys,
passwords and tokens in arguments, variables, headers, URLs and queries. Time is linear in the
text's length, whatever the text: every pattern begins where a word begins and never goes back.
"""

from __future__ import annotations

import re
from functools import cache

from runtime.domain.secretarguments import mask_arguments

MASK = "[redacted]"

# Each from its provider's documentation, or from what secret scanners publish.
_KEYS = (
    r"sk-[\w-]{16,}",  # Anthropic, OpenAI, OpenRouter, DeepSeek
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{16,}",
    r"(?:gsk|xai|pplx|r8|hf|fw|nvapi)[_-][A-Za-z0-9_-]{20,}",  # Groq, xAI, Perplexity, … models
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{20,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"gl(?:pat|dt|rt|ptt|ft|soat|agent|cbt|imt|oas)-[\w.-]{16,}",  # GitLab
    r"xox[abeoprs]-[\w.-]{10,}",  # Slack
    r"xapp-[\w-]{10,}",
    r"AIza[\w-]{30,}",  # Google
    r"ya29\.[\w-]{20,}",
    r"GOCSPX-[\w-]{20,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[\w-]{40,}",
    r"do[opr]_v1_[a-f0-9]{40,}",  # DigitalOcean
    r"SG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
    r"key-[a-f0-9]{32}",  # Mailgun
    r"(?:AC|SK)[a-f0-9]{32}",  # Twilio
    r"dapi[a-f0-9]{32}",  # Databricks
    r"dckr_(?:pat|oat)_[\w-]{20,}",
    r"hv[sbr]\.[\w-]{20,}",  # Vault
    r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}",  # Terraform
    r"(?:glsa|glc)_[\w=+/]{20,}",  # Grafana
    r"(?:shpat|shpss|shpca|shppa)_[a-fA-F0-9]{32}",  # Shopify
    r"(?:lin_api|ntn|figd|sbp|sntrys|sntryu|pscale_tkn|pscale_pw|rnd|phx|re)_[\w-]{24,}",
    r"(?:PMAK|NRAK|HRKU|ATATT3)[\w=-]{20,}",  # Postman, New Relic, Heroku, Atlassian
    r"AGE-SECRET-KEY-1[A-Z0-9]{20,}",
    r"[0-9]{8,10}:AA[\w-]{32,}",  # Telegram
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*",  # a JSON web token
)
_PRIVATE = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)

_ENDINGS = [
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "secrets",
    "token",
    "tokens",
    "credential",
    "credentials",
    "apikey",
    "api-key",
    "api_key",
    "accesskey",
    "access-key",
    "access_key",
    "accountkey",
    "secretkey",
    "secret-key",
    "secret_key",
    "privatekey",
    "private-key",
    "private_key",
    "encryption_key",
    "signing_key",
    "master_key",
    "auth_key",
    "cookie",
    "_pass",
    "dbpass",
    "mypass",
    "userpass",
    "rootpass",
    "adminpass",
    "-pass",
    "_pwd",
    "-pwd",
    "_pw",
    "_auth",
]
_SECRET_NAME = "(?:" + "|".join(f"(?<={ending})" for ending in _ENDINGS) + ")"
_VALUE = (
    r"(?:\[redacted\]"
    r"""|\\?"(?:[^"\\]|\\[^"])*+(?:\\?"|\\?\Z)"""  # with the quotes of a quoted argument, too
    r"|\$?'[^']*+(?:'|\Z)"
    r"""|(?:[^\s"'&;|\\]|\\.)++)"""
)


class _Patterns:
    """Compiled at the first use: a start has no need of them."""

    def __init__(self) -> None:
        self.whole = re.compile(rf"(?<![\w-])(?:{'|'.join(_KEYS)})|{_PRIVATE}", re.DOTALL)
        self.named = re.compile(
            rf"(?<![\w-])((?:[\w-]++(?<!\d\d\d\d\d){_SECRET_NAME}|pass|pw|pwd(?=:))"
            rf"(?:\\?[\"'])?\s{{0,9}}(?::=|=>|[=:])\s{{0,9}})(?!//)({_VALUE})",
            re.IGNORECASE | re.DOTALL,
        )
        self.option = re.compile(
            rf"(?<![\w-])(-{{1,2}}(?:[a-z][\w-]*+{_SECRET_NAME}|pass|pw|auth)\s{{1,9}})(?![-<])({_VALUE})",
            re.IGNORECASE | re.DOTALL,
        )
        self.header = re.compile(
            r"""(?<![\w-])((?:proxy-)?authorization\\?["']?\s{0,9}[:=]\s{0,9}\\?["']?)([^"'\n\\]++)"""
            r"""|(?<![\w-])((?:set-)?cookie:\s{0,9})([^"'\n\\]++)""",
            re.IGNORECASE,
        )
        self.bearer = re.compile(r"(?<![\w-])(bearer\s{1,9})([\w.~+/=-]{8,})", re.IGNORECASE)
        address = r"(?<![\w+.-])([a-z][a-z0-9+.-]*+://[^\s/:@\"']*+:)([^\s/\"']+){end}"
        self.whole_address = re.compile(address.format(end="(@)"), re.IGNORECASE)
        self.cut_address = re.compile(address.format(end=r"(@|\Z)"), re.IGNORECASE)
        self.token_address = re.compile(
            r"(?<![\w+.-])([a-z][a-z0-9+.-]*+://)([\w-]{20,}+)(?=@)", re.IGNORECASE
        )  # a name that long is a token
        self.hook_address = re.compile(
            r"(https://(?:hooks\.slack\.com|discord(?:app)?\.com/api/webhooks|[\w-]+\.webhook\.office\.com)/)"
            r"([^\s\"']+)"
        )
        self.query = re.compile(
            r"([?&](?:sig|signature|key|code|auth|x-amz-signature|access|jwt)=)([^\s&\"'#]+)",
            re.IGNORECASE,
        )
        self.sql = re.compile(
            r"""(?<!\w)((?:identified\s{1,9}(?:with\s{1,9}\w+\s{1,9})?by|password)\s{1,9}\\?)"""
            r"""('[^']*+(?:'|\Z)|"[^"]*+(?:"|\Z))""",
            re.IGNORECASE,
        )
        self.by_name = (
            self.bearer,
            self.token_address,
            self.hook_address,
            self.query,
            self.named,
            self.option,
            self.sql,
        )


_patterns = cache(_Patterns)


def redact(text: str, *, cut: bool = False) -> str:
    """`text` with every secret replaced by `[redacted]`; what is left reads as before.

    `cut` says that its end is missing: what could be the beginning of a secret goes, too.
    """
    patterns = _patterns()
    text = patterns.whole.sub(MASK, text)
    text = patterns.header.sub(_with_mask, text)
    text = (patterns.cut_address if cut else patterns.whole_address).sub(rf"\1{MASK}\3", text)
    for pattern in patterns.by_name:
        text = pattern.sub(rf"\1{MASK}", text)
    return mask_arguments(text, MASK)


def _with_mask(found: re.Match[str]) -> str:
    return f"{found[1] or found[3]}{MASK}"
