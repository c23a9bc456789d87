# Medians of what the load generator printed, as a table or as JSON; the
# first file is the settings, a line each.  Fields: see load.c, idle.c.

function median(list,		a, n, i, j, t) {
	n = split(list, a, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) {
			t = a[j]
			a[j] = a[j - 1]
			a[j - 1] = t
		}
	return n % 2 ? a[(n + 1) / 2] + 0 : (a[n / 2] + a[n / 2 + 1]) / 2
}

# Of a side that was not measured there is nothing.
function value(table, side, name, format) {
	if (!((side, name) in table))
		return "-"
	return sprintf(format, median(table[side, name]))
}

function ratio(table, name,	them) {
	if (!(("mfrontd", name) in table) || !(("dovecot", name) in table))
		return "-"
	them = median(table["dovecot", name])
	return them == 0 ? "-" : sprintf("%.2f",
	    median(table["mfrontd", name]) / them)
}

function row(what, name,	format) {
	printf "%-26s %9s %9s %11s %11s %7s\n", what,
	    value(rate, "mfrontd", name, "%.0f"),
	    value(rate, "dovecot", name, "%.0f"),
	    value(cpu, "mfrontd", name, "%.1f"),
	    value(cpu, "dovecot", name, "%.1f"), ratio(cpu, name)
}

function quiet(what, name, format) {
	printf "%-47s %11s %11s %7s\n", what,
	    value(other, "mfrontd", name, format),
	    value(other, "dovecot", name, format), ratio(other, name)
}

function text(	i) {
	for (i = 1; i <= nset; i++)
		print set[i]
	printf "\n%-26s %19s %23s %7s\n", "", "operations/s",
	    "server CPU us/operation", "ratio"
	printf "%-26s %9s %9s %11s %11s %7s\n", "", "mfrontd", "dovecot",
	    "mfrontd", "dovecot", "of CPU"
	for (i = 1; i <= nstep; i++)
		row(whats[i], names[i])
	if (nother > 0)
		printf "\n%-47s %11s %11s %7s\n", "", "mfrontd", "dovecot",
		    "ratio"
	for (i = 1; i <= nother; i++)
		quiet(otherwhat[i], othername[i], otherformat[i])
}

function quote(s) {
	gsub(/[\\"]/, "\\\\&", s)
	return "\"" s "\""
}

function null(s) {
	return s == "-" ? "null" : s
}

function number(table, side, name, format) {
	return null(value(table, side, name, format))
}

function object(side, i) {
	return sprintf("%s:{\"ops_per_s\":%s,\"server_cpu_us\":%s," \
	    "\"client_cpu_us\":%s}", quote(side),
	    number(rate, side, names[i], "%.1f"),
	    number(cpu, side, names[i], "%.2f"),
	    number(mine, side, names[i], "%.2f"))
}

function json_text(	i) {
	printf "{\"settings\":["
	for (i = 1; i <= nset; i++)
		printf "%s%s", (i > 1) ? "," : "", quote(set[i])
	printf "],\"steps\":["
	for (i = 1; i <= nstep; i++)
		printf "%s{\"name\":%s,\"what\":%s,%s,%s,\"ratio\":%s}",
		    (i > 1) ? "," : "", quote(names[i]), quote(whats[i]),
		    object("mfrontd", i), object("dovecot", i),
		    null(ratio(cpu, names[i]))
	printf "],\"quiet\":["
	for (i = 1; i <= nother; i++)
		printf "%s{\"name\":%s,\"what\":%s,\"mfrontd\":%s," \
		    "\"dovecot\":%s}", (i > 1) ? "," : "", quote(othername[i]),
		    quote(otherwhat[i]),
		    number(other, "mfrontd", othername[i], otherformat[i]),
		    number(other, "dovecot", othername[i], otherformat[i])
	print "]}"
}

function add(side, name, what, format, v) {
	if (!(name in known)) {
		known[name] = 1
		othername[++nother] = name
		otherwhat[nother] = what
		otherformat[nother] = format
	}
	other[side, name] = other[side, name] " " v
}

BEGIN {
	FS = "\t"
}

NR == FNR {
	set[++nset] = $0
	next
}

$1 == "step" {
	if (!($3 in known)) {
		known[$3] = 1
		names[++nstep] = $3
		whats[nstep] = $4
	}
	rate[$2, $3] = rate[$2, $3] " " $5 / $6
	cpu[$2, $3] = cpu[$2, $3] " " $7 / $5 * 1e6
	mine[$2, $3] = mine[$2, $3] " " $8 / $5 * 1e6
	if ($3 == "append" || $3 == "lmtp")
		written[$2, $10] += $9
}

# Of what was written in this run.
$1 == "later" && written[$2, $3] > 0 {
	add($2, "later", "CPU us a message later, after its delivery",
	    "%.1f", $4 / written[$2, $3] * 1e6)
}

$1 == "memory" {
	add($2, "memory_none", "KiB of all processes, nobody connected",
	    "%.0f", $4)
	add($2, "memory_total", "KiB at " $3 " logged in", "%.0f", $5)
	add($2, "memory_each", "KiB a session, total", "%.1f", $5 / $3)
	add($2, "memory_growth", "KiB a session, growth (no files)", "%.1f",
	    $6 / $3)
}

$1 == "idling" {
	add($2, "idling_growth", "KiB a session at " $3 " in IDLE, growth",
	    "%.1f", $4 / $3)
}

$1 == "latency" {
	add($2, "latency_median", "ms from LMTP's 250 to EXISTS, median of " \
	    $4, "%.2f", $5 * 1000)
	add($2, "latency_max", "the longest", "%.2f", $6 * 1000)
}

END {
	if (json)
		json_text()
	else
		text()
}
