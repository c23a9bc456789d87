/*
 * What a server costs: CPU time of a process and of all its descendants,
 * those included that came and went (which their parents' times tell), and
 * their memory.  Linux: /proc, and other processes' CPU clocks, which count
 * nanoseconds.
 */
#include <sys/types.h>
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

struct cost_proc {
	pid_t	 pid, parent;
	int	 ours;
	double	 cpu;		/* its own, dead threads included */
	double	 reaped;	/* of children waited for */
};

struct cost {
	struct cost_proc	*procs;
	size_t			 n, size;
	double			 total;
};

static int
cost_stat(struct cost_proc *p)
{
	unsigned long	 cu, cs;
	char		 path[64], line[1024], *s;
	int		 n = -1, parent;
	FILE		*f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)p->pid);
	if ((f = fopen(path, "r")) == NULL)
		return -1;
	/* the name is in parentheses and may hold anything */
	if (fgets(line, sizeof(line), f) != NULL &&
	    (s = strrchr(line, ')')) != NULL)
		n = sscanf(s + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u "
		    "%*u %*u %*u %lu %lu", &parent, &cu, &cs);
	fclose(f);
	if (n != 3)
		return -1;
	p->parent = parent;
	p->reaped = (double)(cu + cs) / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

static void
cost_clock(struct cost_proc *p)
{
	struct timespec	ts;
	clockid_t	clock;

	/* one that has gone meanwhile is in its parent's times */
	if (clock_getcpuclockid(p->pid, &clock) == 0 &&
	    clock_gettime(clock, &ts) == 0)
		p->cpu = (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
cost_add(struct cost *c, pid_t pid)
{
	struct cost_proc p = { .pid = pid };

	if (cost_stat(&p) == -1)
		return;
	if (c->n == c->size) {
		c->size = c->size == 0 ? 256 : c->size * 2;
		c->procs = reallocarray(c->procs, c->size,
		    sizeof(*c->procs));
		if (c->procs == NULL)
			err(1, NULL);
	}
	c->procs[c->n++] = p;
}

static void
cost_tree(struct cost *c, pid_t root)
{
	size_t	i, j;
	int	more;

	do {
		more = 0;
		for (i = 0; i < c->n; i++) {
			if (c->procs[i].ours)
				continue;
			if (c->procs[i].pid == root)
				more = c->procs[i].ours = 1;
			for (j = 0; j < c->n; j++)
				if (c->procs[j].ours &&
				    c->procs[j].pid == c->procs[i].parent)
					more = c->procs[i].ours = 1;
		}
	} while (more);
}

struct cost *
cost_read(pid_t root)
{
	struct cost	*c;
	struct dirent	*d;
	DIR		*dir;
	size_t		 i;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		err(1, NULL);
	if ((dir = opendir("/proc")) == NULL)
		err(1, "/proc");
	while ((d = readdir(dir)) != NULL)
		if (isdigit((unsigned char)d->d_name[0]))
			cost_add(c, (pid_t)atoi(d->d_name));
	closedir(dir);
	cost_tree(c, root);
	for (i = 0; i < c->n; i++) {
		if (!c->procs[i].ours)
			continue;
		cost_clock(&c->procs[i]);
		c->total += c->procs[i].cpu + c->procs[i].reaped;
	}
	if (c->total == 0)
		errx(1, "%s: the server is gone", opts.label);
	return c;
}

void
cost_free(struct cost *c)
{
	free(c->procs);
	free(c);
}

double
cost_between(const struct cost *a, const struct cost *b)
{
	return b->total - a->total;
}

static void
cost_name(pid_t pid, char *name, size_t size)
{
	char	 path[64];
	size_t	 n = 0;
	FILE	*f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if ((f = fopen(path, "r")) != NULL) {
		n = fread(name, 1, size - 1, f);
		fclose(f);
	}
	name[n] = '\0';
}

static double
cost_before(const struct cost *c, pid_t pid)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->procs[i].ours && c->procs[i].pid == pid)
			return c->procs[i].cpu;
	return 0;
}

void
cost_print(const struct cost *a, const struct cost *b, uint64_t ops)
{
	double	us;
	char	name[48];
	size_t	i;

	for (i = 0; i < b->n; i++) {
		if (!b->procs[i].ours)
			continue;
		us = (b->procs[i].cpu - cost_before(a, b->procs[i].pid)) /
		    (double)ops * 1e6;
		if (us < 0.01)
			continue;
		cost_name(b->procs[i].pid, name, sizeof(name));
		fprintf(stderr, "%12.2f us  %6d %s\n", us,
		    (int)b->procs[i].pid, name);
	}
}

static void
cost_pss(pid_t pid, struct cost_memory *m)
{
	char	 path[64], line[256];
	FILE	*f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if ((f = fopen(path, "r")) == NULL)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Pss:", 4) == 0)
			m->pss += strtod(line + 4, NULL);
		else if (strncmp(line, "Pss_Anon:", 9) == 0)
			m->anon += strtod(line + 9, NULL);
	fclose(f);
}

struct cost_memory
cost_memory(pid_t root)
{
	struct cost_memory	 m = { 0, 0 };
	struct cost		*c = cost_read(root);
	size_t			 i;

	for (i = 0; i < c->n; i++)
		if (c->procs[i].ours)
			cost_pss(c->procs[i].pid, &m);
	cost_free(c);
	return m;
}
