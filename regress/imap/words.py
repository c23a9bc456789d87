"""Text that reads like text: some words everywhere, most of them hardly
anywhere, and new ones that are spelt as the others are."""

import itertools
import random

COMMON = """the of and to in is that it was for on are as with his they at be
this from have or by one had not but what all were when we there can an your
which their said if do will each about how up out them then she many some so
these would other into has more her two like him see time could no make than
first been its who now people my made over did down only way find use may
water long little very after words called just where most know get through
back much before go good new write our used me man too any day same right
look think also around another came come work three word must because does
part even place well such here take why help put different away again off
went old number great tell men say small every found still between name
should home big give air line set own under read last never us left end along
while might next sound below saw something thought both few those always
looked show large often together asked house world going want school
important until form food keep children feet land side without boy once
animals life enough took sometimes four head above kind began almost live
page got earth need far hand high year mother light parts country father let
night following picture being study second eyes soon times story boys since
white days ever paper hard near sentence better best across during today
others however sure means knew try told young miles sun ways thing whole hear
example heard several change answer room sea against top turned three learn
point city play toward five using himself usually""".split()
STEMS = """act art band bar bell bind board bond book born bow brand bridge
bright broad burn calm camp cap care cart case cast cede ceive cell cent
charge charm check chief child claim clear clock close cloth cloud coast coin
cold color come cook cord corn count cover craft crown cruise cure custom
dance deal dict draw dream drive duct dust edit elect equip fact fair farm
fer fest file firm flame flat flight flow fold forest forge form found frame
front fund garden gate gest gift glass grade grain grant graph green ground
guard harbor hold horse inter jack join judge just kitchen lamp later lect
leg light limit line list log market mark master meter mill mind mirror mit
model motion mount nail name nation nest noble note number object office
order organ paint paper park pass path peace pearl pend pick plant plat plex
point polar pole pond port pose post press print prise quest quiet rain range
record rect rest river rock rose round rule rupt sail salt sand scribe search
season sect sense serve shape sharp shelf shell shield shore signal silver
sist skill smith sol spect spring stamp stand state station stick stone store
storm strand stream strict struct summer table tain tect temple tend test
text thread tide timber tone tower track tract trade trail train tribute
trust turn type valley value vent verse vest view village vision voice volve
wall war ward watch wave weather wheel wind winter wise wood wright yard
yield zone""".split()
AFTER = ('s', 'ed', 'er', 'ing', 'ion', 'able', 'ly', 'ment', 'ness')


class Text:
    """A language of its own for each seed"""

    def __init__(self, seed, words=30000):
        rnd = random.Random(seed)
        # a letter follows two others, or one, as in the words above
        after = {}
        for w in COMMON + STEMS:
            for i in range(len(w) + 1):
                for n in (1, 2):
                    after.setdefault(('  ' + w)[i + 2 - n:i + 2],
                                     []).append((w + ' ')[i])
        seen, rare = set(COMMON), []
        while len(rare) < words:
            w = '  '
            while len(w) < 14 and (len(w) < 3 or w[-1] != ' '):
                w += rnd.choice(after[w[-rnd.randrange(1, 3):]])
            w = w.strip()
            if rnd.random() < 0.25:
                w += rnd.choice(AFTER)
            if w not in seen and len(w) > 3:
                seen.add(w)
                rare.append(w)
        self.words = COMMON + rare
        # as they are used in a language, the n'th 1/n as often
        sums = list(itertools.accumulate(
            1 / (n + 3) ** 1.2 for n in range(len(self.words))))
        # to draw from without weights takes a fifth of the time
        self.pool = rnd.choices(self.words, cum_weights=sums, k=500000)
        self.rnd = rnd

    def some(self, n):
        return self.rnd.choices(self.pool, k=n)

    def word(self):
        return self.some(1)[0]

    def text(self, size):
        """About so many bytes, in lines"""
        words = self.some(size * 2 // 13 + 1)
        for i in range(0, len(words), 9):
            words[i] = words[i].capitalize()
        for i in range(7, len(words), 10):
            words[i] += ',' if i % 3 else '.'
        return '\r\n'.join(' '.join(words[i:i + 11]) for i in
                           range(0, len(words), 11)) + '\r\n'

    def message(self, size, number):
        fr, to = self.word(), self.word()
        return ('From: %s %s <%s@%s.example.com>\r\n'
                'To: %s <%s@example.net>\r\n'
                'Subject: %s\r\n'
                'Date: Thu, 4 Jan 2024 %02d:%02d:%02d +0000\r\n'
                'Message-ID: <%d.%08x@%s.example.com>\r\n'
                'MIME-Version: 1.0\r\n'
                'Content-Type: text/plain; charset=utf-8\r\n'
                '\r\n%s' % (
                    fr.capitalize(), self.word().capitalize(), fr,
                    self.word(), to.capitalize(), to,
                    ' '.join(self.word() for _ in range(5)),
                    number // 3600 % 24, number // 60 % 60, number % 60,
                    number, self.rnd.getrandbits(32), self.word(),
                    self.text(size))).encode()
