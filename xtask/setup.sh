# Shared by xtask/quickstart and xtask/test; sourced, not run.
#
# Finds out what is missing, says what it installs and why, and installs it with apt-get where there is one. On any
# other system it names everything that is missing in one message and stops. Nothing here reads standard input.

# Debian keeps sshd and mke2fs where an ordinary user's PATH does not look; rustup installs into the home directory.
PATH=$PATH:/usr/sbin:/sbin
[ -n "${HOME:-}" ] && [ -d "$HOME/.cargo/bin" ] && PATH=$HOME/.cargo/bin:$PATH
export PATH

missing_packages=
missing_reasons=

say() { printf '%s\n' "$*" >&2; }
stop() { say "$*"; exit 2; }

# want PACKAGE WHY TEST...: PACKAGE is needed unless the command TEST succeeds. Testing for the command and not for the
# package leaves alone whatever the machine already has, from backports or by hand.
want() {
    want_package=$1 want_why=$2
    shift 2
    "$@" >/dev/null 2>&1 && return 0
    missing_packages="$missing_packages $want_package"
    missing_reasons="$missing_reasons
  $want_package: $want_why"
}

can_compile_c() { echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - ; }
can_compile_cxx() { printf '#include <vector>\nint main() { return 0; }\n' | c++ -x c++ -o /dev/null - ; }
has_certificates() { [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /etc/pki/tls/certs ] || [ -e /etc/ssl/cert.pem ]; }

# What both commands need: the compile, and what `imgc` calls while it builds an image.
want_build_packages() {
    want gcc "compiles the C parts of two crates (zstd) and links" command -v cc
    want libc6-dev "the C library's headers, for the same" can_compile_c
    want ca-certificates "lets cargo check whom it downloads crates from" has_certificates
    want mmdebstrap "bootstraps Debian root file systems for the rootfs builder" command -v mmdebstrap
    want e2fsprogs "mke2fs makes the disk image's file system without a mount" command -v mke2fs
    want qemu-utils "qemu-img turns the disk image into qcow2" command -v qemu-img
    want uidmap "newuidmap lets an ordinary user map the ids of an image" command -v newuidmap
    want util-linux "unshare and mount, for namespaces and overlays" command -v unshare
    want openssh-client "ssh is the communicator that provisions machines" command -v ssh
}

# What the tests need on top: real counterparts to test against.
want_test_packages() {
    want g++ "compiles libFuzzer, so that the fuzz targets are known to build" can_compile_cxx
    want git "tells the tidy checks which files belong to the project" command -v git
    want openssh-server "the tests start their own sshd on a free loopback port (Debian also enables the system's on port 22)" command -v sshd
    want skopeo "reads the OCI layouts we write, as an independent judge" command -v skopeo
    want umoci "unpacks the OCI layouts we write, as an independent judge" command -v umoci
    want graphviz "draws 'imgc graph --svg'" command -v dot
    want neovim "uses the language server as docs/editors.md says" command -v nvim
    want_emacs
    want zstd "unpacks the tar.zst archives we write, as an independent judge" command -v zstd
    want npm "builds and tests the VS Code extension" command -v npm
    want python3-venv "holds moto, which answers as AWS does, where there is none yet" has_moto_or_venv
    want npm "fetches Microsoft's SARIF validator, where there is none yet" has_sarif_or_npm
    want_packer
    want_chromium
}

# Eglot is a package of its own only for Emacs before 29.
want_emacs() {
    want emacs-nox "uses the language server as docs/editors.md says" command -v emacs
    emacs --batch --eval '(progn (package-activate-all) (require (quote eglot)))' >/dev/null 2>&1 && return 0
    command -v apt-get >/dev/null 2>&1 && can_be_root || return 0
    apt_update_once
    [ -z "$(apt_version elpa-eglot)" ] || want elpa-eglot "Emacs' side of the protocol" false
}

has_moto() { [ -x target/testbed/moto/bin/moto_server ] || command -v moto_server >/dev/null 2>&1; }
has_moto_or_venv() { has_moto || python3 -c 'import venv, ensurepip'; }

# The tests of what asks AWS start their own moto_server; Debian has no package of it.
install_moto() {
    has_moto && return 0
    say "installing moto into target/testbed/moto"
    python3 -m venv target/testbed/moto &&
        target/testbed/moto/bin/pip install -q 'moto[server]>=5,<6' </dev/null >&2 ||
        stop "could not install moto with pip; see above"
}

# The validator is a program of its own, for one architecture only; npm does no more than bring it.
has_sarif() {
    [ "$(uname -m)" != x86_64 ] || command -v sarif-multitool-linux >/dev/null 2>&1 ||
        [ -x target/testbed/sarif/node_modules/.bin/sarif-multitool-linux ]
}
has_sarif_or_npm() { has_sarif || command -v npm >/dev/null 2>&1; }

install_sarif() {
    has_sarif && return 0
    say "installing the SARIF validator into target/testbed/sarif"
    npm install --prefix target/testbed/sarif --no-audit --no-fund --loglevel error \
        '@microsoft/sarif-multitool-linux@>=5 <6' </dev/null >&2 ||
        stop "could not install the SARIF validator with npm; see above"
}

# Newer releases of Debian no longer have it: the rest is installed all the same, and the tests that ask it say so.
want_packer() {
    command -v packer >/dev/null 2>&1 && return 0
    if command -v apt-get >/dev/null 2>&1 && can_be_root; then
        apt_update_once
        if [ -z "$(apt_version packer)" ]; then
            say "packer is not among this system's packages: install 1.6.6 by hand for the tests that compare with it"
            return 0
        fi
    fi
    want packer "1.6.6, whose console judges the values of functions" false
}

has_chromium() {
    [ -n "${CHROMIUM:-}" ] || command -v chromium || command -v chromium-browser || command -v google-chrome
}

# Some systems only have it as a snap, which is no package of theirs.
want_chromium() {
    has_chromium >/dev/null 2>&1 && return 0
    if command -v apt-get >/dev/null 2>&1 && can_be_root; then
        apt_update_once
        if [ -z "$(apt_version chromium)" ]; then
            say "chromium is not among this system's packages: install one by hand, or the tests in a real VS Code fail"
            return 0
        fi
    fi
    want chromium "shows VS Code, in which the extension is tested" false
    # Letters of one width, which the pictures and the columns of the tests want.
    want fonts-dejavu-core "letters for it" test -e /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf
}

# as_root COMMAND...: with sudo where needed; sudo may ask for a password only on a terminal.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif [ -t 2 ] && [ -r /dev/tty ]; then sudo "$@"
    else sudo -n "$@"
    fi
}

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1; }
# apt-get ARGUMENTS..., silent unless it fails.
apt() {
    apt_log=$(mktemp)
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$apt_log" 2>&1; then
        rm -f "$apt_log"
    else
        cat "$apt_log" >&2
        rm -f "$apt_log"
        return 1
    fi
}

apt_is_updated=
apt_update_once() {
    [ -z "$apt_is_updated" ] || return 0
    apt update || stop "apt-get update failed; see above"
    apt_is_updated=1
}

install_packages() {
    if [ -z "$missing_packages" ]; then say "system packages: all there"; return 0; fi
    if ! command -v apt-get >/dev/null 2>&1; then
        at_least "$(rust_wanted)" "$(rust_found)" || missing_reasons="$missing_reasons
  Rust $(rust_wanted) or newer, with rustfmt and clippy: the compiler (https://rustup.rs)"
        stop "this system has no apt-get, so these have to be installed by hand (Debian's names):$missing_reasons"
    fi
    say "system packages to install:$missing_reasons"
    can_be_root || stop "there is no sudo here; as root: apt-get update && apt-get install --no-install-recommends$missing_packages"
    apt_update_once
    # shellcheck disable=SC2086 # a list of words
    apt install -y --no-install-recommends $missing_packages ||
        stop "could not install them; as root: apt-get install --no-install-recommends$missing_packages"
    missing_packages='' missing_reasons=''
}

# at_least WANTED HAVE: compares MAJOR.MINOR.
at_least() {
    [ -n "$2" ] || return 1
    [ "${2%%.*}" -gt "${1%%.*}" ] && return 0
    at_least_minor=${2#*.}
    [ "${2%%.*}" -eq "${1%%.*}" ] && [ "${at_least_minor%%.*}" -ge "${1#*.}" ]
}

rust_wanted() { sed -n 's/^rust-version = "\([0-9]*\.[0-9]*\).*"/\1/p' Cargo.toml; }
rust_found() { cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p'; }
# The upstream version of a package that apt would install; empty when there is none.
apt_version() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\.[0-9]*\).*/\1/p'; }

# A cargo that is new enough: the one that is there, else through rustup, else from apt.
require_rust() {
    wanted=$(rust_wanted)
    at_least "$wanted" "$(rust_found)" && return 0
    if ! command -v rustup >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && can_be_root; then
        apt_update_once
        if at_least "$wanted" "$(apt_version rustc)"; then
            want "rustc cargo rustfmt rust-clippy" "the compiler" false
        elif [ -n "$(apt_version rustup)" ]; then
            want rustup "installs the Rust compiler, $wanted or newer" false
        fi
        [ -z "$missing_packages" ] || install_packages
    fi
    if ! at_least "$wanted" "$(rust_found)" && command -v rustup >/dev/null 2>&1; then
        say "installing the current stable Rust with rustup"
        if rustup toolchain install stable --profile minimal --component rustfmt --component clippy </dev/null >&2; then
            RUSTUP_TOOLCHAIN=stable
            export RUSTUP_TOOLCHAIN
            # So that cargo works after this too; whoever has chosen a default keeps it.
            rustup default >/dev/null 2>&1 || rustup default stable >&2
        fi
    fi
    found=$(rust_found)
    at_least "$wanted" "$found" || stop "Rust $wanted or newer is needed; cargo here is ${found:-missing}.
Install it with rustup, as https://rustup.rs describes, and run this again."
}
