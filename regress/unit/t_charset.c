#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "charset.h"
#include "json.h"

#define FFFD	"\xef\xbf\xbd"

/* A text converted in pieces of a size, as a string. */
static const char *
conv(const char *name, const char *p, size_t len, size_t piece)
{
	static char		out[65536];
	struct charset_conv	cv;
	struct ibuf		b;
	size_t			n;

	ibuf_init(&b, sizeof(out) - 1);
	charset_start(&cv, charset_find(name, strlen(name)));
	for (; len > 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		ATF_REQUIRE_EQ(0, charset_feed(&cv, p, n, &b));
	}
	ATF_REQUIRE_EQ(0, charset_finish(&cv, &b));
	if (ibuf_size(&b) > 0)
		memcpy(out, ibuf_data(&b), ibuf_size(&b));
	out[ibuf_size(&b)] = '\0';
	ATF_CHECK(utf8_valid(out, ibuf_size(&b)));
	ibuf_fini(&b);
	return out;
}

/* The same, whatever the pieces. */
static void
conv_is(const char *name, const char *p, size_t len, const char *want)
{
	size_t piece;

	for (piece = 1; piece <= len + 1; piece++)
		ATF_CHECK_STREQ_MSG(want, conv(name, p, len, piece),
		    "%s in pieces of %zu", name, piece);
}

#define CONV(name, text, want)	conv_is(name, text, sizeof(text) - 1, want)

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static const char *const same[][2] = {
		{ "utf-8", "UTF8" }, { "utf-8", "us-ascii" },
		{ "utf-8", "unknown-8bit" }, { "utf-8", "" },
		{ "iso-8859-1", "ISO_8859-1:1987" },
		{ "iso-8859-1", "Windows-1252" },
		{ "iso-8859-1", "x-cp1252" }, { "iso-8859-1", "LATIN1" },
		{ "iso-8859-15", "iso8859-15" }, { "cp850", "IBM850" },
		{ "windows-1251", "win-1251" }, { "cp932", "Shift_JIS" },
		{ "cp932", "x-sjis" }, { "gb2312", "GBK" },
		{ "gb2312", "x-gbk" }, { "euc-kr", "KS_C_5601-1987" },
		{ "iso-2022-jp", "ISO-2022-JP-2" },
		{ "tis-620", "windows-874" },
		{ "x-mac-cyrillic", "MacCyrillic" }, { NULL, NULL }
	};
	static const char *const unknown[] = { "klingon", "utf-9", "x-",
	    "windows-", "cp", "utf-8//TRANSLIT/../../x", "iso-8859-99",
	    "windows-99999999999999999999999999999999999999999",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL };
	int i;

	for (i = 0; same[i][0] != NULL; i++) {
		ATF_CHECK_MSG(charset_known(same[i][1], strlen(same[i][1])),
		    "%s", same[i][1]);
		ATF_CHECK_EQ_MSG(charset_find(same[i][0], strlen(same[i][0])),
		    charset_find(same[i][1], strlen(same[i][1])), "%s %s",
		    same[i][0], same[i][1]);
	}
	for (i = 0; unknown[i] != NULL; i++)
		ATF_CHECK_MSG(!charset_known(unknown[i], strlen(unknown[i])),
		    "%s", unknown[i]);
	ATF_CHECK(charset_find("iso-8859-1", 10) !=
	    charset_find("iso-8859-2", 10));
	CONV("klingon", "a\xe4z", "a" FFFD "z");
}

ATF_TC_WITHOUT_HEAD(utf8);
ATF_TC_BODY(utf8, tc)
{
	CONV("utf-8", "plain", "plain");
	CONV("utf-8", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	CONV("utf-8", "a\x80z", "a" FFFD "z");
	CONV("utf-8", "a\xc3", "a" FFFD);
	CONV("utf-8", "a\xc3z", "a" FFFD "z");
	CONV("utf-8", "\xc0\xaf", FFFD FFFD);
	CONV("utf-8", "\xe0\x80\xaf", FFFD FFFD FFFD);
	CONV("utf-8", "\xed\xa0\x80", FFFD FFFD FFFD);
	CONV("utf-8", "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD);
	CONV("utf-8", "\xf0\x9f\x98", FFFD);
	CONV("utf-8", "\xf0\x9f\xc3\xa4", FFFD FFFD "\xc3\xa4");
	CONV("utf-8", "\xff\xfe", FFFD FFFD);
	CONV("us-ascii", "\xe4 \xc3\xa4", FFFD " \xc3\xa4");
}

ATF_TC_WITHOUT_HEAD(unicode);
ATF_TC_BODY(unicode, tc)
{
	CONV("utf-16", "\xfe\xff\0a\x20\xac", "a\xe2\x82\xac");
	CONV("utf-16", "\xff\xfe" "a\0\xac\x20", "a\xe2\x82\xac");
	CONV("utf-16", "\0a\x20\xac", "a\xe2\x82\xac");
	CONV("utf-16be", "\0a\xd8\x3d\xde\x00", "a\xf0\x9f\x98\x80");
	CONV("utf-16le", "a\0\x3d\xd8\x00\xde", "a\xf0\x9f\x98\x80");
	CONV("utf-16le", "\xff\xfe" "a\0", "a");
	CONV("utf-16be", "\xd8\x3d\0a", FFFD "a");
	CONV("utf-16be", "\xde\x00\0a", FFFD "a");
	CONV("utf-16be", "\xd8\x3d", FFFD);
	CONV("utf-16be", "\0a\0", "a" FFFD);
	CONV("utf-32", "\0\0\xfe\xff\0\1\xf6\0", "\xf0\x9f\x98\x80");
	CONV("utf-32le", "a\0\0\0\xff\xff\xff\xff", "a" FFFD);
	/* RFC 2152, examples */
	CONV("utf-7", "A+ImIDkQ.", "A\xe2\x89\xa2\xce\x91.");
	CONV("utf-7", "Hi Mom -+Jjo--!", "Hi Mom -\xe2\x98\xba-!");
	CONV("utf-7", "+ZeVnLIqe-", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e");
	CONV("utf-7", "Item 3 is +AKM-1.", "Item 3 is \xc2\xa3" "1.");
	CONV("utf-7", "1+-1=2 +", "1+1=2 ");
	CONV("utf-7", "+2D3eAA-\xe4", "\xf0\x9f\x98\x80" FFFD);
}

static void
need_converters(void)
{
	int n;

	if ((n = charset_init()) > 0)
		atf_tc_skip("the system has no converter for %d sets", n);
}

static void
east_asian(void)
{
	CONV("gb2312", "\xc4\xe3\xba\xc3", "\xe4\xbd\xa0\xe5\xa5\xbd");
	CONV("gb18030", "\x81\x30\x81\x30z", "\xc2\x80z");
	CONV("gb18030", "a\x95\x32\x82\x36", "a\xf0\xa0\x80\x80");
	CONV("gbk", "\xff", FFFD);
	CONV("gbk", "\xc4", FFFD);
	CONV("big5", "\xa7\x41\xa6\x6e!", "\xe4\xbd\xa0\xe5\xa5\xbd!");
	CONV("euc-jp", "\xc6\xfc\xcb\xdc", "\xe6\x97\xa5\xe6\x9c\xac");
	CONV("euc-jp", "\x8e\xb1\x8f\xb0\xa1", "\xef\xbd\xb1\xe4\xb8\x82");
	CONV("shift_jis", "\x93\xfa\x96{\xb1\x87\x40",
	    "\xe6\x97\xa5\xe6\x9c\xac\xef\xbd\xb1\xe2\x91\xa0");
	CONV("euc-kr", "\xc7\xd1\xb1\xdb", "\xed\x95\x9c\xea\xb8\x80");
	CONV("cp949", "\x81\x41", "\xea\xb0\x82");
	CONV("iso-2022-jp", "a\033$BF|K\\\033(Bb",
	    "a\xe6\x97\xa5\xe6\x9c\xac" "b");
	CONV("iso-2022-jp", "\033$BF|\nx", "\xe6\x97\xa5\nx");
	CONV("iso-2022-jp", "\033$BF", FFFD);
	CONV("iso-2022-jp", "\033$BF\033(Bx", FFFD "x");
	CONV("iso-2022-jp", "\033(I1\033(J\\\033$(D0!\033(B",
	    "\xef\xbd\xb1\\\xe4\xb8\x82");
	CONV("iso-2022-jp", "\033x\033\033$BF|", "x\xe6\x97\xa5");
	CONV("iso-2022-jp", "a\033", "a" FFFD);
	CONV("iso-2022-jp", "\xe4", FFFD);
	CONV("iso-2022-kr", "\033$)C\x0eGQ1[\x0f ok",
	    "\xed\x95\x9c\xea\xb8\x80 ok");
	CONV("hz-gb-2312", "a~{Dc:C~}b~~c~\nd",
	    "a\xe4\xbd\xa0\xe5\xa5\xbd" "b~cd");
	CONV("hz-gb-2312", "~{Dc\nx", "\xe4\xbd\xa0\nx");
}

ATF_TC_WITHOUT_HEAD(cjk);
ATF_TC_BODY(cjk, tc)
{
	CONV("euc-jp", "a\xc6\xfc", "a" FFFD FFFD);
	need_converters();
	ATF_CHECK_EQ(0, charset_init());
	east_asian();
}

/* The tables say what the system's iconv says. */
ATF_TC_WITHOUT_HEAD(tables);
ATF_TC_BODY(tables, tc)
{
	static const char *const names[] = { "ISO-8859-2", "ISO-8859-3",
	    "ISO-8859-4", "ISO-8859-5", "ISO-8859-6", "ISO-8859-7",
	    "ISO-8859-8", "ISO-8859-10", "ISO-8859-13", "ISO-8859-14",
	    "ISO-8859-15", "ISO-8859-16", "KOI8-R", "KOI8-U", "MACINTOSH",
	    "CP874", "CP1250", "CP1251", "CP1252", "CP1253", "CP1254",
	    "CP1255", "CP1256", "CP1257", "CP1258", "CP437", "CP850",
	    "CP852", "CP855", "CP866" };
	iconv_t h;
	char in, *ip, out[8], *op;
	size_t i, il, ol, seen = 0, unlike;
	int b;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ATF_CHECK(charset_known(names[i], strlen(names[i])));
		h = iconv_open("UTF-8", names[i]);
		if (h == (iconv_t)-1)
			continue;
		seen++;
		for (unlike = 0, b = 0; b < 256; b++) {
			in = (char)b;
			ip = &in;
			op = out;
			il = 1;
			ol = sizeof(out) - 1;
			iconv(h, NULL, NULL, NULL, NULL);
			if (iconv(h, &ip, &il, &op, &ol) == (size_t)-1 ||
			    iconv(h, NULL, NULL, &op, &ol) == (size_t)-1)
				op = stpcpy(out, FFFD);
			*op = '\0';
			if (b != 0 && strcmp(conv(names[i], &in, 1, 1),
			    out) != 0)
				unlike++;
		}
		/* mappings were amended over time: a few may differ */
		ATF_CHECK_MSG(unlike <= 3, "%s: %zu", names[i], unlike);
		iconv_close(h);
	}
	if (seen == 0)
		atf_tc_skip("the system has no iconv");
	ATF_CHECK(seen > 20);
	CONV("iso-8859-1", "\x93\xe4\x94", "\xe2\x80\x9c\xc3\xa4\xe2\x80\x9d");
	CONV("cp1252", "\x81", FFFD);
}

/* After chroot into nothing, what was opened works, and nothing opens. */
ATF_TC(chrooted);
ATF_TC_HEAD(chrooted, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(chrooted, tc)
{
	pid_t pid;
	int status;

	need_converters();
	ATF_REQUIRE_EQ(0, mkdir("void", 0755));
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		if (charset_init() != 0 || chroot("void") == -1 ||
		    chdir("/") == -1 || setgid(65534) == -1 ||
		    setuid(65534) == -1)
			_exit(1);
		if (iconv_open("UTF-8", "EUC-TW") != (iconv_t)-1 ||
		    open("/etc/passwd", O_RDONLY) != -1)
			_exit(2);
		if (strcmp(conv("gb18030", "\xc4\xe3", 2, 2),
		    "\xe4\xbd\xa0") != 0 ||
		    strcmp(conv("iso-2022-jp", "\033$BF|", 5, 1),
		    "\xe6\x97\xa5") != 0 ||
		    strcmp(conv("shift_jis", "\x93\xfa", 2, 1),
		    "\xe6\x97\xa5") != 0 ||
		    strcmp(conv("big5", "\xa7\x41", 2, 1),
		    "\xe4\xbd\xa0") != 0 ||
		    strcmp(conv("euc-kr", "\xc7\xd1", 2, 1),
		    "\xed\x95\x9c") != 0 ||
		    strcmp(conv("koi8-r", "\xc1", 1, 1), "\xd0\xb0") != 0)
			_exit(3);
		_exit(0);
	}
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK(WIFEXITED(status));
	ATF_CHECK_EQ(0, WEXITSTATUS(status));
}

/* Random bytes: always UTF-8, never dependent on the pieces. */
ATF_TC_WITHOUT_HEAD(pieces);
ATF_TC_BODY(pieces, tc)
{
	static const char *const names[] = { "utf-8", "utf-16", "utf-32",
	    "utf-7", "gb18030", "big5", "euc-jp", "cp932", "cp949",
	    "iso-2022-jp", "iso-2022-kr", "hz", "cp1252", "none" };
	static const char special[] = "\033$B(J+-~{}\x0e\x0f\n";
	char buf[64], *whole;
	size_t i, j, len, piece;
	int round;

	charset_init();
	srandom(1);
	for (round = 0; round < 300; round++) {
		len = (size_t)(random() % (long)sizeof(buf));
		for (j = 0; j < len; j++)
			buf[j] = (char)(random() % 3 == 0 ? special[random() %
			    (long)(sizeof(special) - 1)] : random());
		for (j = 0; j < len; j++)
			if (buf[j] == '\0')
				buf[j] = 'x';
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			whole = strdup(conv(names[i], buf, len, len + 1));
			for (piece = 1; piece < 8; piece++)
				ATF_CHECK_STREQ_MSG(whole, conv(names[i],
				    buf, len, piece), "%s", names[i]);
			free(whole);
		}
	}
}

static const char *
folded(const char *p)
{
	static char	out[1024];
	struct ibuf	b;

	ibuf_init(&b, sizeof(out) - 1);
	ATF_REQUIRE_EQ(0, charset_fold(&b, p, strlen(p)));
	if (ibuf_size(&b) > 0)
		memcpy(out, ibuf_data(&b), ibuf_size(&b));
	out[ibuf_size(&b)] = '\0';
	ibuf_fini(&b);
	return out;
}

ATF_TC_WITHOUT_HEAD(fold);
ATF_TC_BODY(fold, tc)
{
	static const char *const same[][2] = {
		{ "HeLLo", "hello" }, { "STRASSE", "stra\xc3\x9f" "e" },
		/* composed and decomposed */
		{ "\xc3\x84", "a\xcc\x88" }, { "\xc3\xa4", "A\xcc\x88" },
		/* the order of marks below and above */
		{ "q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87" },
		/* ligature, full width, superscript */
		{ "\xef\xac\x81", "fi" }, { "\xef\xbc\xa1", "a" },
		{ "\xc2\xb2", "2" },
		/* soft hyphen, Hangul, Greek final sigma */
		{ "Schiff\xc2\xad" "fahrt", "schifffahrt" },
		{ "\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab" },
		{ "\xce\xa3", "\xcf\x82" }, { "\xc2\xa0", " " },
		{ "", "\xc2\xad" },
		{ NULL, NULL }
	};
	struct charset_fold f;
	struct ibuf b;
	char *one;
	int i;

	for (i = 0; same[i][0] != NULL; i++) {
		one = strdup(folded(same[i][0]));
		ATF_CHECK_STREQ_MSG(one, folded(same[i][1]), "%d", i);
		free(one);
	}
	ATF_CHECK(strcmp("e", folded("\xc3\xa9")) != 0);
	ATF_CHECK_STREQ(FFFD "a", folded("\xff" "A"));
	/* marks wait over pieces; too many are not lost */
	ibuf_init(&b, 1000);
	charset_fold_start(&f);
	ATF_CHECK_EQ(0, charset_fold_feed(&f, "q\xcc\x87", 3, &b));
	ATF_CHECK_EQ(0, charset_fold_feed(&f, "\xcc\xa3", 2, &b));
	ATF_CHECK_EQ(0, charset_fold_finish(&f, &b));
	ATF_CHECK(ibuf_size(&b) == 5 && memcmp(ibuf_data(&b),
	    "q\xcc\xa3\xcc\x87", 5) == 0);
	ibuf_truncate(&b, 0);
	for (i = 0; i < 100; i++)
		ATF_CHECK_EQ(0, charset_fold_feed(&f, "\xcc\x87", 2, &b));
	ATF_CHECK_EQ(0, charset_fold_finish(&f, &b));
	ATF_CHECK_EQ(200, ibuf_size(&b));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(nfc);
ATF_TC_BODY(nfc, tc)
{
	struct ibuf b;

	ATF_CHECK_EQ(1, charset_is_nfc("INBOX", 5));
	ATF_CHECK_EQ(1, charset_is_nfc("", 0));
	ATF_CHECK_EQ(1, charset_is_nfc("\xc3\xa4", 2));
	ATF_CHECK_EQ(0, charset_is_nfc("a\xcc\x88", 3));
	ATF_CHECK_EQ(1, charset_is_nfc("q\xcc\x88", 3));
	ATF_CHECK_EQ(1, charset_is_nfc("\xed\x95\x9c", 3));
	ATF_CHECK_EQ(0, charset_is_nfc("\xe1\x84\x92\xe1\x85\xa1", 6));
	ATF_CHECK_EQ(0, charset_is_nfc("\xe2\x84\xab", 3));
	ATF_CHECK_EQ(0, charset_is_nfc("\xff", 1));
	ATF_CHECK_EQ(0, charset_is_nfc("\xcc", 1));
	ibuf_init(&b, 100);
	ATF_CHECK_EQ(0, charset_nfc(&b, "a\xcc\x88x", 4));
	ATF_CHECK(ibuf_size(&b) == 3 &&
	    memcmp(ibuf_data(&b), "\xc3\xa4x", 3) == 0);
	errno = 0;
	ATF_CHECK_EQ(-1, charset_nfc(&b, "\xc3", 1));
	ATF_CHECK_EQ(EILSEQ, errno);
	ATF_CHECK_EQ(0, charset_nfc(&b, "", 0));
	ATF_CHECK_EQ(3, ibuf_size(&b));
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, utf8);
	ATF_TP_ADD_TC(tp, unicode);
	ATF_TP_ADD_TC(tp, cjk);
	ATF_TP_ADD_TC(tp, tables);
	ATF_TP_ADD_TC(tp, chrooted);
	ATF_TP_ADD_TC(tp, pieces);
	ATF_TP_ADD_TC(tp, fold);
	ATF_TP_ADD_TC(tp, nfc);
	return atf_no_error();
}
