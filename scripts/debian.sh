# What ./demo, ./check and ./benchmark share, for Debian 12 and later: installing what is
# missing, and building.  Read by sh with "."; the caller's folder is the top of the source.
#
# Needs root, or sudo, only where a package is missing.
#
# shellcheck shell=sh

say() {
	printf '==> %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# What building takes.  libc6-dev because nothing recommended is installed.
# shellcheck disable=SC2034 # its readers use it
BUILD_PACKAGES='autoconf automake make gcc libc6-dev pkg-config libfcgi-dev libjson-c-dev libssl-dev'

# Run as root.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "please run as root, or install sudo: $*"
	fi
}

# missing PACKAGE...: print those that are not installed.
missing() {
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s ' "$package"
	done
}

# install_packages PACKAGE...: install what is missing, and nothing when nothing is.
#
# Debian starts a server as soon as it is installed, and would have it on port 80
# from then on.  We only want the programs: the services stay off, those that
# run already are not touched, and no policy of the machine is changed.  Nothing is
# asked: a configuration file that somebody has changed stays as it is.
install_packages() {
	command -v dpkg-query >/dev/null || die 'this is for Debian; elsewhere see README.md'
	wanted=$(missing "$@")
	if [ -z "$wanted" ]; then
		say 'all packages are installed'
		return 0
	fi
	say "installing $wanted"
	services=
	hold=
	for package in $wanted; do
		case $package in
		lighttpd | apache2 | nginx | caddy) services="$services $package" ;;
		haproxy | h2o | squid | trafficserver) services="$services $package" ;;
		varnish) services="$services varnish varnishncsa" ;;
		libapache2-mod-fcgid) hold="$hold apache2" ;;
		libnginx-mod-*) hold="$hold nginx" ;;
		esac
	done
	# shellcheck disable=SC2086 # lists
	keep_still $services $hold
	log=$(mktemp)
	trap 'let_go; rm -f "$log"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	# RUNLEVEL=1: scripts of init take it that no service is to be started.
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	# shellcheck disable=SC2086 # a list
	if ! as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef \
		-o Dpkg::Options::=--force-confold \
		install -qq -y --no-install-recommends $wanted >"$log" 2>&1; then
		cat "$log" >&2
		die 'apt-get has not installed them'
	fi
	let_go
	rm -f "$log"
	trap - EXIT INT TERM HUP
	# shellcheck disable=SC2086 # a list
	leave_off $services
	[ -z "$(missing "$@")" ] || die "apt-get did not install: $(missing "$@")"
}

# node_packages: Debian's packages of Node.js and npm, unless they are there already, which
# may be from elsewhere.
node_packages() {
	command -v node >/dev/null || printf 'nodejs '
	command -v npm >/dev/null || printf 'npm'
}

# install_clients: into build/, what the end-to-end tests drive besides Debian's packages, and
# say where it is.
install_clients() {
	# In the versions that package.json names.
	clients=$PWD/build/clients
	if ! cmp -s tests/e2e/clients/package.json "$clients/package.json"; then
		say 'installing clients for the tests (npm)'
		rm -rf "$clients"
		mkdir -p "$clients/new"
		cp tests/e2e/clients/package.json "$clients/new/"
		(cd "$clients/new" && npm install --no-package-lock --no-audit --no-fund \
			--ignore-scripts --loglevel=error) || die 'npm has not installed them'
		# In place only when it is complete.
		mv "$clients/new/node_modules" "$clients/new/package.json" "$clients/"
	fi
	export PEAL_NODE_MODULES="$clients/node_modules"

	# WordPress's files, for a recipe of the cookbook.  Not installed, as that would bring
	# mod_php and change the machine's Apache.
	if [ ! -d build/wordpress ]; then
		say 'taking WordPress out of its package'
		take_out wordpress ./usr/share/wordpress
		mv build/package/files/usr/share/wordpress build/wordpress
		rm -rf build/package
	fi
	export PEAL_WORDPRESS="$PWD/build/wordpress"

	# What checks the metrics.  Not installed, as that would bring a server of its own.
	if [ ! -x build/promtool ]; then
		# In Debian 12 it is in the package of prometheus, later in one of its own.
		package=promtool
		apt-cache show promtool >/dev/null 2>&1 || package=prometheus
		say "taking promtool out of the package of $package"
		take_out "$package" ./usr/bin/promtool
		mv build/package/files/usr/bin/promtool build/promtool
		rm -rf build/package
	fi
	export PEAL_PROMTOOL="$PWD/build/promtool"
}

# take_out PACKAGE PATH: into build/package/files, what lies at PATH, and below it, in
# Debian's package.
take_out() {
	rm -rf build/package
	mkdir -p build/package/files
	(cd build/package && {
		# What apt knows of may have been replaced.
		apt-get -qq download "$1" 2>/dev/null ||
			{ as_root apt-get -qq update && apt-get -qq download "$1"; }
	}) || die "apt-get has not brought $1"
	dpkg-deb --fsys-tarfile build/package/"$1"_*.deb | tar -x -C build/package/files "$2"
}

with_systemd() {
	[ -d /run/systemd/system ] && command -v systemctl >/dev/null
}

# keep_still SERVICE...: until let_go, nothing can start or restart these.  What runs
# goes on.  A mask that somebody else has set stays theirs.
keep_still() {
	held=
	with_systemd || return 0
	for service in "$@"; do
		case " $held " in *" $service "*) continue ;; esac
		[ "$(systemctl is-enabled "$service.service" 2>/dev/null)" = masked ] && continue
		as_root systemctl --quiet --runtime mask "$service.service"
		held="$held $service"
	done
}

let_go() {
	for service in ${held:-}; do
		as_root systemctl --quiet --runtime unmask "$service.service"
	done
	held=
}

# leave_off SERVICE...: services that have been installed just now stay off, after the next
# boot as well.
leave_off() {
	for service in "$@"; do
		if with_systemd; then
			as_root systemctl --quiet disable "$service.service" 2>/dev/null || :
			say "$service's service is left off; to use it: systemctl enable --now $service"
		elif command -v service >/dev/null; then
			as_root service "$service" stop >/dev/null 2>&1 || :
			as_root update-rc.d "$service" disable >/dev/null 2>&1 || :
		fi
	done
}

# build FOLDER OPTION...: build in FOLDER; the options are configure's.
build() {
	folder=$1
	shift
	[ ! -f config.status ] ||
		die 'the source folder itself is configured; please run make distclean first'
	if [ ! -x configure ]; then
		say 'making configure (autoreconf)'
		autoreconf -fi
	fi
	mkdir -p "$folder"
	top=$PWD
	if [ ! -f "$folder/Makefile" ]; then
		say "configuring in $folder"
		(cd "$folder" && "$top/configure" -q "$@") ||
			die "configure failed; see $folder/config.log"
	fi
	say "building in $folder"
	make -C "$folder" -s -j"$(nproc)" all
}
