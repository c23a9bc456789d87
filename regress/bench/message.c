/*
 * Messages of one size, that differ in a number: an ordinary header and
 * lines of text, none of which begins with a dot.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const char header[] =
    "Return-Path: <sender@example.org>\r\n"
    "Received: from mx.example.org (mx.example.org [192.0.2.25])\r\n"
    "\tby mail.example.net with ESMTPS id 0000000\r\n"
    "\tfor <joe@example.net>; Mon, 2 Mar 2026 10:00:00 +0100\r\n"
    "Date: Mon, 2 Mar 2026 09:59:58 +0100\r\n"
    "From: A Sender <sender@example.org>\r\n"
    "To: Joe Reader <joe@example.net>, Ann <ann@example.net>\r\n"
    "Cc: list@example.com\r\n"
    "Subject: Bench message 0000000\r\n"
    "Message-ID: <0000000.bench@example.org>\r\n"
    "In-Reply-To: <0000000.before@example.org>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n";

static char	 text[MESSAGE + 1];
static char	*places[8];		/* of the number */
static int	 nplaces;

static void
message_init(void)
{
	size_t	 len = sizeof(header) - 1, i;
	char	*p;

	memcpy(text, header, len);
	for (i = len; i < MESSAGE; i++)
		text[i] = (char)('a' + (i * 7 + i / 78) % 26);
	for (i = len + 76; i + 80 < MESSAGE; i += 78)
		memcpy(text + i, "\r\n", 2);
	memcpy(text + MESSAGE - 2, "\r\n", 2);
	for (p = text; (p = strstr(p, "0000000")) != NULL; p += 7)
		places[nplaces++] = p;
}

const char *
message_make(unsigned int n)
{
	char	number[16];
	int	i;

	if (nplaces == 0)
		message_init();
	snprintf(number, sizeof(number), "%07u", n % 10000000);
	for (i = 0; i < nplaces; i++)
		memcpy(places[i], number, 7);
	return text;
}

int
message_same(const char *p, unsigned int n)
{
	return memcmp(p, message_make(n), MESSAGE) == 0;
}

/* From 1 to max: cheap, and the same each time. */
unsigned int
message_random(unsigned int max)
{
	static uint32_t x = 2463534242U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return 1 + x % max;
}
