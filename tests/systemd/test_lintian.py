"""What Debian's own checker says of the packages."""

import shutil
import subprocess

import pytest

# Tags that stay, and why.
ACCEPTED = {
    "bogus-mail-host": "who builds packages to give away says -DGANGLION_PACKAGER=...",
    "bogus-mail-host-in-debian-changelog": "the same",
    "library-not-linked-against-libc": "a role that is nothing but tables calls nothing",
    "package-name-doesnt-match-sonames": "the libraries go with this version of the host and with no other program",
    "maintscript-calls-ldconfig": "CPack writes them beside the trigger",
    "maintainer-script-calls-systemctl": "replacing processes by SIGUSR2 is none of what deb-systemd-invoke does",
    "systemd-service-file-refers-to-unusual-wantedby-target": "ganglion.target is the packages' own, and holds all processes",
    "no-manual-page": "each program has --help, and docs/operating.md",
    "pkg-config-unavailable-for-cross-compilation": "the tree may be installed anywhere, so its libraries are in lib",
}


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is not installed")
def test_nothing_that_was_not_weighed(packages):
    done = subprocess.run(["lintian", "--no-cfg", "--allow-root", "--tag-display-limit=0", *packages.glob("*.deb")], capture_output=True, text=True,
                          timeout=300, check=False)
    said = [line for line in done.stdout.splitlines() if line[:2] in ("E:", "W:")]
    assert done.stderr == "" and said  # it ran
    tags = {line.split()[2] for line in said}
    assert not tags - set(ACCEPTED), [line for line in said if line.split()[2] not in ACCEPTED]
    assert not set(ACCEPTED) - tags, "no longer said"
