"""What bench/run found: a table for people, JSON, and plots."""

import json
import os
import statistics
import subprocess

import servers

# What the names of contenders end with whose peal.fcgi is the one of --against.
AGAINST = " (against)"


class Findings:
    """The results of all rows, by contender and round."""

    def __init__(self, machine):
        self.machine = machine
        self.rows = []
        self.results = {}  # row's name -> contender -> [result of a round]
        self.failures = {}  # the same -> [why]

    def measured(self, row):
        """The contenders that were measured, each with its like of --against behind it."""
        found = [c + end for c in row.contenders for end in ("", AGAINST)]
        return [c for c in found if c in self.results[row.name] or c in self.failures[row.name]]

    def add_row(self, row):
        self.rows.append(row)
        self.results[row.name] = {}
        self.failures[row.name] = {}

    def add(self, row, contender, result):
        self.results[row.name].setdefault(contender, []).append(result)

    def fail(self, row, contender, why):
        self.failures[row.name].setdefault(contender, []).append(why)

    def values(self, row, contender, column):
        found = [column.value(result) for result in self.results[row.name].get(contender, [])]
        return [value for value in found if value is not None]

    def median(self, row, contender, column):
        values = self.values(row, contender, column)
        return statistics.median(values) if values else None

    def ratio(self, row, contender, other):
        """How many times better the contender is in the row's first column."""
        column = row.columns[0]
        ours, theirs = self.median(row, contender, column), self.median(row, other, column)
        if not ours or not theirs:
            return None
        return theirs / ours if column.low else ours / theirs

    def wrong(self, row, contender):
        """What was lost, came twice or out of order, in all rounds."""
        words = []
        for what in ("lost", "duplicated", "disordered", "ended", "failed_posts"):
            count = sum(result.get(what) or 0
                        for result in self.results[row.name].get(contender, []))
            if count:
                words.append("%s %d" % (what.replace("_", " "), count))
        return ", ".join(words)

    def peal_is_wrong(self):
        """Contenders with peal in them that failed, or lost or mixed up anything."""
        found = []
        for row in self.rows:
            for contender in self.measured(row):
                why = self.wrong(row, contender) or self.failures[row.name].get(contender)
                if why and servers.split(contender)[0] not in servers.PEERS:
                    found.append("%s, %s: %s" % (row.title, title(contender), why if
                                                 isinstance(why, str) else why[0]))
        return found

    def goal(self, row, goal):
        """(value, whether it is reached), or None where it was not measured."""
        contender, what, sign, bound = goal
        if what.startswith("x "):
            value = self.ratio(row, contender, rival_of(contender, what[2:]))
        else:
            column = next(c for c in row.columns if c.heading == what)
            value = self.median(row, contender, column)
        if value is None:
            return None
        return value, value <= bound if sign == "<=" else value >= bound


def title(contender):
    contender, against, _ = contender.partition(AGAINST)
    name, variant = servers.split(contender)
    known = servers.CONTENDERS.get(name)
    return (known.title if known else name) + variant + against


def rival_of(contender, rival):
    """Who the rival is for this contender: of the same variant; in "against", the same one."""
    contender = contender.partition(AGAINST)[0]
    if rival == "against":
        return contender + AGAINST
    return rival + servers.split(contender)[1] if rival in servers.PEERS else rival


# ---- The table --------------------------------------------------------------

def number(value, digits):
    return "–" if value is None else "{:,.{}f}".format(value, digits)


def spread(values):
    """How far the rounds lie apart, as a part of their median."""
    middle = statistics.median(values) if values else 0
    if len(values) < 2 or not middle:
        return ""
    return "±%.0f%%" % ((max(values) - min(values)) / 2 / abs(middle) * 100)


def table(findings):
    """The whole table, as text."""
    return "\n".join(block(findings, row) for row in findings.rows)


def block(findings, row):
    """A row's part of the table: a line for each contender."""
    measured = findings.measured(row)
    rivals = rivals_in(row, measured)
    head = [""] + [row.columns[0].heading, ""] + [c.heading for c in row.columns[1:]] \
        + ["x " + rival for rival in rivals] + ["to reach"]
    lines = [head]
    for contender in measured:
        values = findings.values(row, contender, row.columns[0])
        line = [title(contender),
                number(findings.median(row, contender, row.columns[0]), row.columns[0].digits),
                spread(values)]
        line += [number(findings.median(row, contender, c), c.digits) for c in row.columns[1:]]
        line += [compared(findings, row, contender, rival) for rival in rivals]
        line.append("; ".join(goal_words(findings, row, contender)
                              + ([findings.wrong(row, contender)]
                                 if findings.wrong(row, contender) else [])
                              + findings.failures[row.name].get(contender, [])[:1]))
        lines.append(line)
    text = "\n" + row.title + "\n" + aligned(lines)
    return text + ("  (%s)\n" % row.note if row.note else "")


def rivals_in(row, measured):
    """Whom the others are compared with: peers, the first of some rows, and --against."""
    names = [servers.split(contender)[0] for contender in measured]
    rivals = [peer for peer in servers.PEERS if peer in names]
    rivals += [row.contenders[0]] if row.contenders[0] in ("one worker", "one process") else []
    return rivals + (["against"] if any(c.endswith(AGAINST) for c in measured) else [])


def compared(findings, row, contender, rival):
    """How many times better the contender is, as text; nothing where that says nothing."""
    other = rival_of(contender, rival)
    if contender == other or servers.split(contender)[0] in servers.PEERS:
        return ""
    if rival == "against" and (other not in findings.results[row.name]
                               or contender.endswith(AGAINST)):
        return ""
    return number(findings.ratio(row, contender, other), 2)


def goal_words(findings, row, contender):
    words = []
    for goal in row.goals:
        # A tenth of the load proves nothing.
        if goal[0] != contender or findings.machine["quick"]:
            continue
        reached = findings.goal(row, goal)
        if reached is not None:
            words.append("%s %s %s: %s" % (
                goal[1], "≤" if goal[2] == "<=" else "≥", "{:,g}".format(goal[3]) if
                goal[3] < 1e5 else "{:,.0f}".format(goal[3]), "yes" if reached[1] else "NO"))
    return words


def aligned(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ""
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:-1])]
        text += ("  " + "  ".join(cells + [line[-1]])).rstrip() + "\n"
    return text


# ---- JSON -------------------------------------------------------------------

def write_json(findings, path):
    rows = []
    for row in findings.rows:
        contenders = {}
        for contender in findings.measured(row):
            rounds = findings.results[row.name].get(contender, [])
            failures = findings.failures[row.name].get(contender, [])
            # A heading may stand twice; then the first is meant.
            medians = {}
            for column in row.columns:
                medians.setdefault(column.heading, findings.median(row, contender, column))
            contenders[contender] = {"medians": medians, "rounds": rounds,
                                     "failures": failures}
        goals = []
        for goal in row.goals:
            reached = findings.goal(row, goal)
            if reached is not None:
                goals.append({"contender": goal[0], "what": goal[1],
                              "bound": goal[2] + " %g" % goal[3], "value": reached[0],
                              "reached": reached[1]})
        rows.append({"name": row.name, "title": row.title, "contenders": contenders,
                     "goals": goals})
    text = json.dumps({"machine": findings.machine, "rows": rows}, indent=1) + "\n"
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


# ---- Plots ------------------------------------------------------------------

def plots(findings):
    """Draw what there is by gnuplot.  Returns the files' names, or why there are none."""
    gnuplot = servers.find("gnuplot")
    if gnuplot is None:
        return "no plots: gnuplot is not installed (gnuplot-nox)"
    drawn = []
    for name, script in (
            ("bench-cost.svg", by_in_flight(
                findings, "CPU of all processes for a delivery (µs)", "µs/delivery")),
            ("bench-latency.svg", by_in_flight(
                findings, "publish to the last of 1,000 subscribers, p50 (ms)", "last p50 ms")),
            ("bench-growth.svg", growth(findings))):
        if script is None:
            continue
        head = ("set terminal svg noenhanced size %s font 'sans,13' background 'white'\n"
                "set output '%s'\nset encoding utf8\nset grid\n"
                % ("1300,440" if "growth" in name else "800,500", name))
        done = subprocess.run([gnuplot], input=(head + script).encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            return "gnuplot: " + done.stdout.decode("utf-8", "replace").strip()[-300:]
        drawn.append(name)
    return drawn


def row_named(findings, name):
    return next((row for row in findings.rows if row.name == name), None)


def data_block(name, points):
    return "$%s << END\n%s\nEND\n" % (name, "\n".join("%s %s" % point for point in points))


def by_in_flight(findings, label, heading):
    """A line for each contender, over the number in flight."""
    rows = [(n, row_named(findings, "fan-out-%d" % n)) for n in (1, 4, 16, 64)]
    rows = [(n, row) for n, row in rows if row is not None]
    if len(rows) < 2:
        return None
    text, lines = "", []
    for contender in rows[0][1].contenders:
        points = [(n, findings.median(row, contender,
                                      next(c for c in row.columns if c.heading == heading)))
                  for n, row in rows]
        points = [point for point in points if point[1] is not None]
        if points:
            text += data_block(contender, points)
            lines.append("$%s with linespoints lw 2 pt 7 title '%s'"
                         % (contender, title(contender)))
    if not lines:
        return None
    return text + ("set logscale xy 2\nset xtics (1, 4, 16, 64)\nset xrange [0.9:71]\nset xlabel 'events in flight'\n"
                   "set ylabel '%s'\nset key outside right\nplot %s\n"
                   % (label, ", ".join(lines)))


def growth(findings):
    """Cost over channels, over history and over subscribers, side by side."""
    panels = []
    for name, label, log in (
            ("grow-channels", "channels", True),
            ("grow-history", "history in use (%)", False),
            ("grow-subscribers", "subscribers of one channel", True)):
        row = row_named(findings, name)
        if row is None:
            continue
        series = {}
        for contender in row.contenders:
            what, at = contender.split(", ")
            value = findings.median(row, contender, row.columns[0])
            if value is not None:
                series.setdefault(what, []).append((at, value))
        if series:
            panels.append((name, label, log, row.columns[0].heading, series))
    if not panels:
        return None
    text, plots_text = "", ""
    words = {"arena": "the arena alone", "peal": "peal, a POST through nginx"}
    for name, label, log, heading, series in panels:
        lines = []
        for what, points in series.items():
            block_name = (name + "_" + what).replace("-", "_")
            text += data_block(block_name, points)
            lines.append("$%s with linespoints lw 2 pt 7 title '%s'"
                         % (block_name, words.get(what) or title(what)))
        plots_text += ("%sset logscale x\nset xlabel '%s'\nset ylabel '%s'\nset yrange [0:*]\n"
                       "set key below\nplot %s\n"
                       % ("" if log else "un", label, heading, ", ".join(lines)))
    return text + "set multiplot layout 1,%d\n%sunset multiplot\n" % (len(panels), plots_text)
