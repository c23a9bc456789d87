/* mstored user, mstored alias: who has mail here. */
#include <sys/types.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypt_check.h"
#include "log.h"
#include "mstored.h"
#include "scramkeys.h"
#include "units.h"

#define ADMIN_HASH	512
#define ADMIN_PASSWORD	1024

void
admin_enter(const char *dir)
{
	struct stat st;

	if (chdir(dir) == -1 || stat(".", &st) == -1)
		fatal("%s", dir);
	/* what we make, the server must be able to open */
	if (geteuid() == 0 && st.st_uid != 0 &&
	    (setegid(st.st_gid) == -1 || seteuid(st.st_uid) == -1))
		fatal("cannot become the owner of %s", dir);
}

struct store *
admin_open(enum store_mode mode)
{
	struct mstored_conf	 c;
	struct store		*s;
	char			 why[512] = "";

	mstored_defaults(&c);
	c.store.open_accounts = 1;
	if ((s = store_open(&c.store, mode, why, sizeof(why))) == NULL)
		fatalx("%s", why);
	return s;
}

/* The hash of a password, a line of standard input. */
static void
admin_read_hash(char *hash, size_t size)
{
	if (fgets(hash, (int)size, stdin) == NULL)
		fatalx("no hash on standard input");
	hash[strcspn(hash, "\r\n")] = '\0';
	if (hash[0] != '$' || strlen(hash) < 8 || strpbrk(hash, " \t:"))
		fatalx("standard input is not a hash of crypt(3)");
}

static int
admin_result(int code, const char *what, const char *missing)
{
	switch (code) {
	case ST_OK:
		return 0;
	case ST_EXISTS:
		log_warnx("%s: there is one already", what);
		break;
	case ST_BAD_CREDENTIALS:
	case ST_NO_SUCH_ACCOUNT:
	case ST_UNKNOWN_RECIPIENT:
		log_warnx("%s: %s", what, missing);
		break;
	default:
		log_warnx("%s: %s", what,
		    st_error((enum st_code)code)->text);
	}
	return 1;
}

static int
admin_print_name(void *arg, const char *name, size_t len)
{
	printf("%s\n", name);
	return 0;
}

static int
admin_print_pair(void *arg, const char *a, const char *b)
{
	printf("%s\t%s\n", a, b);
	return 0;
}

struct admin_args {
	const char	*dir;
	int		 purge;
	int		 argc;
	char		**argv;
};

/* Options may stand before and behind the words. */
static int
admin_options(struct admin_args *a, int argc, char **argv)
{
	static char	*words[4];
	int		 ch;

	memset(a, 0, sizeof(*a));
	a->argv = words;
	for (;;) {
		while ((ch = getopt(argc, argv, "+d:r")) != -1) {
			if (ch == 'd')
				a->dir = optarg;
			else if (ch == 'r')
				a->purge = 1;
			else
				return -1;
		}
		if (optind >= argc)
			break;
		if (a->argc == 3)
			return -1;
		words[a->argc++] = argv[optind++];
	}
	return a->dir == NULL ? -1 : 0;
}

static int
user_put(struct admin_args *a, int new)
{
	char		 hash[ADMIN_HASH];
	struct store	*s;
	int		 code;

	if (!name_is_account(a->argv[0], strlen(a->argv[0])))
		fatalx("%s: not a name", a->argv[0]);
	admin_read_hash(hash, sizeof(hash));
	s = admin_open(STORE_ADMIN);
	code = store_user_put(s, a->argv[0], hash, new);
	store_close(s);
	return admin_result(code, a->argv[0], "there is no such user");
}

static int
user_add(struct admin_args *a)
{
	return user_put(a, 1);
}

static int
user_passwd(struct admin_args *a)
{
	return user_put(a, 0);
}

static int
user_del(struct admin_args *a)
{
	struct store	*s = admin_open(STORE_ADMIN);
	int		 code;

	code = store_user_del(s, a->argv[0], a->purge);
	store_close(s);
	return admin_result(code, a->argv[0], "there is no such user");
}

/* A password, one line of standard input. */
static size_t
user_read_password(char *p, size_t size)
{
	if (fgets(p, (int)size, stdin) == NULL)
		fatalx("no password on standard input");
	p[strcspn(p, "\r\n")] = '\0';
	return strlen(p);
}

/* Only for the password that the user's hash is of. */
static int
user_scram_check(struct store *s, const char *name, const char *password)
{
	const char	*account, *hash;
	int		 code;

	if ((code = store_user(s, name, &account, &hash)) != ST_OK)
		return code;
	if (!crypt_check(password, hash))
		fatalx("%s: this is not the password of the hash", name);
	return ST_OK;
}

static int
user_scram(struct admin_args *a)
{
	static char		 password[ADMIN_PASSWORD];
	struct scramkeys	 k;
	struct store		*s;
	size_t			 len;
	int			 code;

	setvbuf(stdin, NULL, _IONBF, 0);
	len = user_read_password(password, sizeof(password));
	s = admin_open(STORE_ADMIN);
	memset(&k, 0, sizeof(k));
	k.iterations = SCRAM_ITERATIONS;
	k.saltlen = SCRAM_SALT;
	arc4random_buf(k.salt, SCRAM_SALT);
	if ((code = user_scram_check(s, a->argv[0], password)) == ST_OK &&
	    scramkeys_make(&k, password, len) == -1)
		fatal(NULL);
	if (code == ST_OK)
		code = store_user_scram(s, a->argv[0], &k);
	explicit_bzero(password, sizeof(password));
	explicit_bzero(&k, sizeof(k));
	store_close(s);
	return admin_result(code, a->argv[0], "there is no such user");
}

/* "10G", "none" or "default". */
static int64_t
user_limit(const char *s, enum unit unit)
{
	uint64_t v;

	if (strcmp(s, "none") == 0)
		return -1;
	if (strcmp(s, "default") == 0)
		return STORE_DEFAULT;
	if (units_parse(unit, s, &v) == -1 || v > INT64_MAX)
		fatalx("%s: not a limit", s);
	return (int64_t)v;
}

static int
user_quota(struct admin_args *a)
{
	int64_t		 size = user_limit(a->argv[1], UNIT_SIZE);
	int64_t		 count = STORE_DEFAULT;
	struct store	*s;
	int		 code;

	if (a->argc > 2)
		count = user_limit(a->argv[2], UNIT_COUNT);
	s = admin_open(STORE_ADMIN);
	code = store_user_quota(s, a->argv[0], size, count);
	store_close(s);
	return admin_result(code, a->argv[0], "there is no such account");
}

static int
user_list(struct admin_args *a)
{
	struct store	*s = admin_open(STORE_ADMIN);
	int		 code;

	code = store_users(s, admin_print_name, NULL);
	store_close(s);
	return admin_result(code, "users", "");
}

static int
alias_add(struct admin_args *a)
{
	struct store	*s;
	int		 code;

	if (!name_is_address(a->argv[0], strlen(a->argv[0])))
		fatalx("%s: not an address", a->argv[0]);
	s = admin_open(STORE_ADMIN);
	code = store_alias_put(s, a->argv[0], a->argv[1]);
	store_close(s);
	return admin_result(code, a->argv[1], "there is no such account");
}

static int
alias_del(struct admin_args *a)
{
	struct store	*s = admin_open(STORE_ADMIN);
	int		 code;

	code = store_alias_del(s, a->argv[0]);
	store_close(s);
	return admin_result(code, a->argv[0], "there is no such alias");
}

static int
alias_list(struct admin_args *a)
{
	struct store	*s = admin_open(STORE_ADMIN);
	int		 code;

	code = store_aliases(s, admin_print_pair, NULL);
	store_close(s);
	return admin_result(code, "aliases", "");
}

static const struct admin_command {
	const char	*group;
	const char	*verb;
	int		 words;
	int		 more;		/* that may follow */
	int		 (*run)(struct admin_args *);
} admin_commands[] = {
	{ "user", "add", 1, 0, user_add },
	{ "user", "passwd", 1, 0, user_passwd },
	{ "user", "del", 1, 0, user_del },
	{ "user", "list", 0, 0, user_list },
	{ "user", "quota", 2, 1, user_quota },
	{ "user", "scram", 1, 0, user_scram },
	{ "alias", "add", 2, 0, alias_add },
	{ "alias", "del", 1, 0, alias_del },
	{ "alias", "list", 0, 0, alias_list },
};

static int
admin_run(int argc, char **argv)
{
	const struct admin_command	*c;
	struct admin_args		 a;
	size_t				 i;

	if (argc < 2)
		return -1;
	for (i = 0; i < sizeof(admin_commands) / sizeof(admin_commands[0]);
	    i++) {
		c = &admin_commands[i];
		if (strcmp(argv[0], c->group) != 0 ||
		    strcmp(argv[1], c->verb) != 0)
			continue;
		if (admin_options(&a, argc - 1, argv + 1) == -1 ||
		    a.argc < c->words || a.argc > c->words + c->more)
			return -1;
		admin_enter(a.dir);
		return c->run(&a);
	}
	return -1;
}

int
admin_user(int argc, char **argv)
{
	return admin_run(argc, argv);
}

int
admin_alias(int argc, char **argv)
{
	return admin_run(argc, argv);
}
