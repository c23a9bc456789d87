#!/usr/bin/env python3
"""make install, and what starts an installed one: the init script, systemd,
rc.d."""

import glob
import imaplib
import os
import re
import resource
import shutil
import signal
import smtplib
import stat
import subprocess
import time

from install import (HASH, InstallTest, PASSWORD, SLOW, TOP, atf, copy_tree,
                     ends, own_memory, own_network, root, running, tls, until)

# what a plain "make install" makes, below PREFIX and elsewhere
PREFIXED = {
    'sbin/mfrontd': 0o555, 'sbin/mfrontctl': 0o555, 'sbin/mstored': 0o555,
    'share/man/man8/mfrontd.8': 0o444, 'share/man/man8/mfrontctl.8': 0o444,
    'share/man/man8/mstored.8': 0o444,
    'share/man/man5/mfrontd.conf.5': 0o444,
    'share/man/man7/mfront-storage.7': 0o444,
    'share/mfrontd/storage-api.yaml': 0o444,
    'share/mfrontd/users.sh': 0o555,
    'share/examples/mfrontd/mfrontd.conf': 0o444,
    'share/examples/mfrontd/mfrontd.init': 0o444,
    'share/examples/mfrontd/mfrontd.rc': 0o444,
    'share/examples/mfrontd/mfrontd.service': 0o444,
    'lib/systemd/system/mfrontd.service': 0o444}
OTHERS = {'etc/mfrontd.conf': 0o600, 'etc/init.d/mfrontd': 0o555,
          'var/lib/mfrontd': 0o700, 'var/empty/mfrontd': 0o755}
TEXT = b'From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n'


class Installed(InstallTest):
    def make_install(self, *more):
        """From a copy: it may have to build"""
        self.tree, self.dest = self.path('tree'), self.path('dest')
        if not os.path.exists(self.tree):
            copy_tree(self.tree, built=True)
        self.run_ok('make', 'install', 'DESTDIR=' + self.dest, *more,
                    cwd=self.tree)

    def found(self):
        """path -> mode of every file, and of folders without any"""
        found = {}
        for d, dirs, files in os.walk(self.dest):
            for name in files + ([] if dirs or files else ['']):
                path = os.path.normpath(os.path.join(d, name))
                found[os.path.relpath(path, self.dest)] = stat.S_IMODE(
                    os.lstat(path).st_mode)
        return found

    def want(self, prefix):
        want = dict(OTHERS)
        for name, mode in PREFIXED.items():
            want[prefix + '/' + name] = mode
        for path in glob.glob(os.path.join(TOP, 'etc', 'examples', '*.*')):
            want['%s/share/examples/mfrontd/%s' %
                 (prefix, os.path.basename(path))] = 0o555
        return want

    def read(self, *names):
        with open(os.path.join(self.dest, *names)) as f:
            return f.read()

    # the sample configuration, made to be of this tree

    def write_conf(self, more='', path=None):
        path = path or os.path.join(self.dest, 'etc', 'mfrontd.conf')
        text = re.sub('"/etc/', '"%s/etc/' % self.dest, self.sample)
        with open(path, 'w') as f:
            f.write(text + '\n' + more + '\n')
        return path

    def take_sample(self):
        """Its certificates and accounts"""
        self.sample = self.read('etc', 'mfrontd.conf')
        etc = os.path.join(self.dest, 'etc')
        os.makedirs(os.path.join(etc, 'ssl', 'private'))
        cert, key = tls.files()
        shutil.copy(cert, os.path.join(etc, 'ssl',
                                       'mail.example.org.fullchain.pem'))
        shutil.copy(key, os.path.join(etc, 'ssl', 'private',
                                      'mail.example.org.key'))
        passwd = os.path.join(etc, 'mfrontd.passwd')
        with open(passwd, 'w') as f:
            f.write('joe:%s\n' % HASH)
        os.chmod(passwd, 0o600)


class Install(Installed):
    def test_files(self):
        """what is where, and its mode; again, keeping the configuration"""
        self.make_install()
        self.assertEqual(self.want('usr/local'), self.found())
        with open(os.path.join(self.dest, 'etc', 'mfrontd.conf'), 'w') as f:
            f.write('mine\n')
        self.make_install()
        self.assertEqual(self.want('usr/local'), self.found())
        self.assertEqual('mine\n', self.read('etc', 'mfrontd.conf'))

    def test_prefix(self):
        """PREFIX, in paths and in what the scripts start"""
        self.make_install('PREFIX=/opt/mail')
        self.assertEqual(self.want('opt/mail'), self.found())
        for names in (['etc', 'init.d', 'mfrontd'],
                      ['opt/mail/lib/systemd/system/mfrontd.service'],
                      ['opt/mail/share/examples/mfrontd/mfrontd.rc']):
            text = self.read(*names)
            self.assertIn('/opt/mail/sbin/mfrontd', text)
            self.assertNotIn('/usr/local', text)
            self.assertNotRegex(text, '@[A-Z]+@')

    def test_programs(self):
        """they start from there; the sample configuration is right"""
        self.make_install()
        self.take_sample()
        sbin = os.path.join(self.dest, 'usr', 'local', 'sbin')
        said = self.run_ok(os.path.join(sbin, 'mfrontd'), '-n', '-f',
                           self.write_conf())
        self.assertEqual('configuration OK\n', said)
        said = self.run_ok(os.path.join(sbin, 'mfrontd'), '-n', '-f',
                           self.write_conf('what is this'), status=1)
        self.assertRegex(said, r'etc/mfrontd\.conf:\d+: ')
        for name in ('mfrontctl', 'mstored'):
            said = self.run_ok(os.path.join(sbin, name), status=2)
            self.assertIn('usage: ' + name, said)

    @root
    def test_unit(self):
        """systemd-analyze finds nothing to complain of"""
        if shutil.which('systemd-analyze') is None:
            self.skipTest('systemd is not installed')
        self.make_install()
        # it looks for the programs
        text = self.read('usr/local/lib/systemd/system/mfrontd.service')
        text = text.replace('/usr/local/sbin', os.path.join(
            self.dest, 'usr/local/sbin'))
        path = self.write('mfrontd.service', text, 0o644)
        verify = ('systemd-analyze', 'verify', '--man=no', path)
        self.assertNotIn('mfrontd', self.run_ok(*verify))
        self.write('mfrontd.service', text + 'Wanted=x\n', 0o644)
        self.assertRegex(self.run_ok(*verify, status=None),
                         r"mfrontd\.service:\d+: Unknown key.* 'Wanted'")

    def test_rc(self):
        """OpenBSD's script: its syntax, what it defines, what it checks"""
        ksh = shutil.which('ksh') or shutil.which('mksh')
        if ksh is None:
            self.skipTest('no ksh')
        self.make_install()
        rc = os.path.join(self.dest, 'usr/local/share/examples/mfrontd',
                          'mfrontd.rc')
        self.run_ok(ksh, '-n', rc)
        # what it would have of rc.subr(8)
        subr = self.write('rc.subr', 'rc_exec() { eval "$@"; }\n'
                          'daemon_flags="-f /a \\"b c\\""\n'
                          'rc_cmd() { "rc_$1"; print "$pexp"; }\n')
        text = self.read(rc).replace('/etc/rc.d/rc.subr', subr)
        text = text.replace('/usr/local/sbin/mfrontd', self.write(
            'mfrontd', '#!/bin/sh\nprintf "<%s>" "$@"\n', 0o755))
        said = self.run_ok(ksh, self.write('rc', text), 'configtest')
        self.assertEqual('<-n><-f></a><b c>mfrontd: parent.*\n', said)


class Service(Installed):
    """Whatever starts it, an administrator finds the same"""

    def setUp(self):
        super().setUp()
        own_network()
        self.make_install()
        self.take_sample()

    def imap(self):
        c = imaplib.IMAP4_SSL('localhost', 993, timeout=30,
                              ssl_context=tls.context())
        c.login('joe', PASSWORD)
        self.addCleanup(c.sock.close)
        return c

    def deliver(self):
        c = smtplib.LMTP('127.0.0.1', 24, timeout=30)
        self.addCleanup(c.close)
        c.ehlo('test')
        for command in ('MAIL FROM:<a@example.org>',
                        'RCPT TO:<joe@example.org>'):
            self.assertEqual(250, c.docmd(command)[0])
        self.assertEqual(354, c.docmd('DATA')[0])
        return c

    def children(self, pid):
        with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]

    def life(self):
        """start, reload, a bad reload, stop: what each of them promises"""
        self.write_conf()
        self.start()
        # not before it is ready
        c = self.imap()
        pid = self.pid()
        pids = [pid] + self.children(pid)
        self.assertEqual(10, len(self.children(pid)))
        with self.assertRaises(ConnectionRefusedError):
            imaplib.IMAP4('127.0.0.1', 8143)
        self.write_conf('listen imap on 127.0.0.1 port 8143 starttls')
        self.reload()
        imaplib.IMAP4('127.0.0.1', 8143).logout()
        # a bad one says why, and changes nothing
        self.write_conf('listen imap on 127.0.0.1 port 8144x')
        self.reload(bad=r'mfrontd\.conf:\d+: ')
        imaplib.IMAP4('127.0.0.1', 8143).logout()
        self.assertEqual('OK', c.noop()[0])
        self.assertEqual(pid, self.pid())
        # what goes on is ended well
        m = self.deliver()
        done = self.begin_stop()
        self.assertIn(b'* BYE', c.readline())
        m.sock.sendall(TEXT + b'.\r\n')
        self.assertEqual(250, m.getreply()[0])
        done()
        ends(pids)
        self.write_conf()
        self.start()
        c = self.imap()
        self.assertEqual(('OK', [b'1']), c.select())
        self.assertTrue(c.fetch('1', 'BODY[]')[1][0][1].endswith(TEXT))
        done = self.begin_stop()
        done()


class Sysv(Service):
    sanitized = True

    def setUp(self):
        super().setUp()
        # all that is of the whole system, in the tree
        self.sample += '\n'.join([
            '', 'rundir "%(dest)s/run/mfrontd"',
            'chroot "%(dest)s/var/empty/mfrontd"',
            'control socket "%(dest)s/run/mfrontd.sock"', '']) % vars(self)
        self.sample = self.sample.replace(
            '\nstorage embedded\n',
            '\nstorage embedded "%s/var/lib/mfrontd/store"\n' % self.dest)
        os.mkdir(os.path.join(self.dest, 'run'))
        for name, at in (('MFRONTD', 'usr/local/sbin/mfrontd'),
                         ('MFRONTCTL', 'usr/local/sbin/mfrontctl'),
                         ('MFRONTD_CONF', 'etc/mfrontd.conf'),
                         ('MFRONTD_PID', 'run/mfrontd.pid'),
                         ('MFRONTD_SOCKET', 'run/mfrontd.sock')):
            self.env[name] = os.path.join(self.dest, at)
        self.addCleanup(self.kill)

    def script(self, action, status=0):
        return self.run_ok(os.path.join(self.dest, 'etc/init.d/mfrontd'),
                           action, status=status)

    def pid(self):
        return int(self.read('run', 'mfrontd.pid'))

    def kill(self):
        try:
            if running(self.pid()):
                os.kill(self.pid(), signal.SIGKILL)
        except FileNotFoundError:
            pass

    def start(self):
        self.script('start')
        self.assertEqual('mfrontd is running\n', self.script('status'))

    def reload(self, bad=None):
        said = self.script('reload', status=1 if bad else 0)
        self.assertRegex(said, bad or r'(?s)listen.*8143')

    def begin_stop(self):
        p = subprocess.Popen([os.path.join(self.dest, 'etc/init.d/mfrontd'),
                              'stop'], env=self.env)

        def done():
            self.assertEqual(0, p.wait(60))
            self.assertEqual('mfrontd is not running\n',
                             self.script('status', status=3))
            self.assertEqual('', self.script('stop'))
            self.assertFalse(os.path.exists(self.env['MFRONTD_PID']))
        return done

    @root
    def test_life(self):
        """the init script starts, reloads, stops; says how it is"""
        self.life()

    @root
    def test_trouble(self):
        """a bad configuration, one that runs already, a stale pid file"""
        self.assertIn('usage: ', self.script('what', status=2))
        self.write_conf('what is this')
        self.assertRegex(self.script('start', status=1),
                         r'mfrontd\.conf:\d+: ')
        self.script('status', status=3)
        # a number that is somebody else's by now: not his to be ended
        other = subprocess.Popen(['sleep', '1000'])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        with open(self.env['MFRONTD_PID'], 'w') as f:
            f.write('%d\n' % other.pid)
        self.script('status', status=3)
        self.script('stop')
        self.assertIsNone(other.poll())
        self.write_conf()
        self.start()
        pid = self.pid()
        self.assertEqual('mfrontd is running already\n',
                         self.script('start'))
        self.assertEqual(pid, self.pid())
        # what is wrong does not end what runs; what is right replaces it
        self.write_conf('what is this')
        self.script('restart', status=1)
        self.assertEqual(pid, self.pid())
        self.imap().logout()
        self.write_conf()
        self.script('restart')
        self.assertNotEqual(pid, self.pid())
        self.imap().logout()
        # a crash: the next start works
        pids = [self.pid()] + self.children(self.pid())
        os.kill(self.pid(), signal.SIGKILL)
        ends(pids)
        self.script('status', status=3)
        self.start()
        self.imap().logout()
        self.script('stop')


# A systemd of its own, as the first process of its own world: no other unit
# than ours, and the tree laid over the system.
WORLD = '''
set -e
mount --make-rprivate /
for d in etc usr/local var; do
	mkdir -p %(top)s/work/$d
	mount -t overlay -o lowerdir=/$d,upperdir=%(dest)s/$d,workdir=\\
%(top)s/work/$d overlay /$d
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 none /sys/fs/cgroup
export SYSTEMD_UNIT_PATH=%(top)s/units:%(dest)s%(units)s container=regress
echo world
exec "$0" --system --unit=basic.target --log-target=console --log-level=info \\
    --show-status=no
'''
UNITS = '/usr/local/lib/systemd/system'
TARGETS = ('basic', 'sysinit', 'shutdown', 'network-online', 'multi-user')
# what the machine may not let us have, and where the messages go
DROPIN = '''
[Service]
StandardOutput=append:%(top)s/service.log
StandardError=append:%(top)s/service.log
LimitNOFILE=%(nofile)d
'''


class Systemd(Service):
    """Really started, by a real one"""

    def setUp(self):
        self.program = next(filter(os.path.exists, (
            '/lib/systemd/systemd', '/usr/lib/systemd/systemd')), None)
        if self.program is None:
            self.skipTest('systemd is not installed')
        super().setUp()
        os.mkdir(self.path('work'))
        os.mkdir(self.path('units'))
        for name in TARGETS:
            self.write('units/%s.target' % name, '[Unit]\nDefaultDependencies'
                       '=no\n', 0o644)
        os.mkdir(self.path('units', 'mfrontd.service.d'))
        self.write('units/mfrontd.service.d/regress.conf', DROPIN % dict(
            top=self.top, nofile=min(65536, resource.getrlimit(
                resource.RLIMIT_NOFILE)[1])), 0o644)
        self.boot()

    def make_install(self, *more):
        # what is laid over the system must not itself be such a thing
        own_memory(self.top)
        super().make_install(*more)

    def boot(self):
        log = open(self.path('boot.log'), 'wb')
        self.addCleanup(log.close)
        self.proc = subprocess.Popen(
            ['unshare', '--fork', '--pid', '--kill-child', '--mount', '--ipc',
             '--uts', '--cgroup', '--mount-proc', 'sh', '-c',
             WORLD % dict(vars(self), units=UNITS), self.program],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.halt)
        end = time.monotonic() + 20 * SLOW
        while time.monotonic() < end and self.proc.poll() is None:
            if self.state() == 'running':
                return
            time.sleep(0.1)
        with open(self.path('boot.log')) as f:
            self.skipTest('no systemd can be run here: ' +
                          ' '.join(f.read().split())[-300:])

    def halt(self):
        self.proc.kill()
        self.proc.wait()

    def systemctl(self, *words, status=0):
        first, = self.children(self.proc.pid)
        return self.run_ok('nsenter', '-t', str(first), '-m', '-p', '-C',
                           '--', 'systemctl', '--no-pager', *words,
                           status=status)

    def state(self):
        try:
            return self.systemctl('is-system-running', status=None).strip()
        except ValueError:              # not started yet
            return None

    def show(self, what):
        return self.systemctl('show', '--value', '-p', what,
                              'mfrontd').strip()

    def pid(self):
        """As we see it"""
        inside = int(self.show('MainPID'))
        for name in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open('/proc/%s/status' % name) as f:
                    m = re.search(r'(?m)^NSpid:\t(\d+)\t(\d+)$', f.read())
            except (FileNotFoundError, ProcessLookupError):
                continue
            if m and int(m.group(2)) == inside:
                return int(m.group(1))
        raise AssertionError('no process %d' % inside)

    def service_log(self):
        with open(self.path('service.log')) as f:
            return f.read()

    def start(self):
        self.systemctl('start', 'mfrontd')
        self.assertEqual('active', self.show('ActiveState'))

    def reload(self, bad=None):
        self.systemctl('reload', 'mfrontd', status=1 if bad else 0)
        self.assertRegex(self.service_log(), bad or r'(?s)listen.*8143')
        self.assertEqual('active', self.show('ActiveState'))

    def begin_stop(self):
        self.systemctl('stop', '--no-block', 'mfrontd')

        def done():
            until(lambda: self.show('ActiveState') == 'inactive', 30)
            self.assertEqual('success', self.show('Result'))
        return done

    @root
    def test_life(self):
        """systemd starts, reloads, stops it"""
        self.life()

    @root
    def test_trouble(self):
        """a bad configuration; a crash; what it may still do"""
        self.write_conf('what is this')
        self.systemctl('start', 'mfrontd', status=1)
        self.assertEqual('exit-code', self.show('Result'))
        self.assertRegex(self.service_log(), r'mfrontd\.conf:\d+: ')
        self.write_conf()
        self.systemctl('reset-failed', 'mfrontd')
        self.start()
        pid = self.pid()
        with open('/proc/%d/status' % pid) as f:
            status = f.read()
        # chown, dac_override, fowner, kill, setgid, setuid,
        # net_bind_service, sys_chroot
        self.assertRegex(status, r'(?m)^CapBnd:\t00000000000404eb$')
        self.assertRegex(status, r'(?m)^NoNewPrivs:\t1$')
        self.imap().logout()
        before = int(self.show('NRestarts'))
        os.kill(pid, signal.SIGKILL)
        until(lambda: int(self.show('NRestarts')) > before and
              self.show('ActiveState') == 'active', 30)
        self.assertNotEqual(pid, self.pid())
        self.imap().logout()


if __name__ == '__main__':
    atf.main()
