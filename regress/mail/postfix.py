"""A Postfix with a configuration, a queue and a log of its own, that
listens on the loopback address alone and delivers to a house by LMTP.
Nothing of the system's Postfix is read or touched.
"""

import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import time
import unittest

from mail import SLOW, free_port

# nothing but what the configuration here says: no local delivery, no DNS
MAIN = '''
compatibility_level = 3.6
queue_directory = %(dir)s/queue
data_directory = %(dir)s/data
command_directory = /usr/sbin
daemon_directory = %(daemons)s
maillog_file = %(dir)s/log
maillog_file_prefixes = %(dir)s
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_host_lookup = native
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = localhost
relay_transport = lmtp:inet:127.0.0.1:%(lmtp)d
default_transport = error:nothing goes out of here
append_dot_mydomain = no
local_header_rewrite_clients =
notify_classes =
smtputf8_enable = yes
smtpd_relay_restrictions = permit_mynetworks, reject
message_size_limit = 80000000
mailbox_size_limit = 0
line_length_limit = 2048
smtp_line_length_limit = 0
lmtp_line_length_limit = 0
lmtp_tls_CAfile = %(ca)s
lmtp_tls_loglevel = 1
lmtp_tls_secure_cert_match = localhost
smtpd_tls_security_level = none
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
'''
WAY = {'plain': 'lmtp_tls_security_level = none\n',
       'starttls': 'lmtp_tls_security_level = secure\n',
       'tls': 'lmtp_tls_security_level = secure\n'
              'lmtp_tls_wrappermode = yes\n'}
MASTER = '''
127.0.0.1:%(smtp)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
'''


def runs(pid):
    """Not so one that has ended and nobody has waited for"""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(') ')[2][0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


class Postfix:
    def __init__(self, top, lmtp, way, ca, more=''):
        if os.getuid() != 0:
            raise unittest.SkipTest('only root can start Postfix')
        if shutil.which('postfix') is None:
            raise unittest.SkipTest('postfix is not installed')
        self.dir, self.pid = os.path.join(top, 'postfix'), None
        self.port = free_port()
        os.makedirs(os.path.join(self.dir, 'queue'))
        os.mkdir(os.path.join(self.dir, 'data'))
        shutil.chown(os.path.join(self.dir, 'data'), 'postfix')
        ca = shutil.copy(ca, self.dir)
        daemons = subprocess.run(
            ['postconf', '-d', '-h', 'daemon_directory'],
            capture_output=True, text=True, check=True).stdout.strip()
        values = dict(dir=self.dir, lmtp=lmtp, ca=ca, smtp=self.port,
                      daemons=daemons)
        self.write('main.cf', MAIN % values + WAY[way] + more)
        self.write('master.cf', MASTER % values)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), 'w') as f:
            f.write(text)

    def run(self, program, *args):
        p = subprocess.run([program, '-c', self.dir, *args],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=60 * SLOW)
        assert p.returncode == 0, p.stdout + p.stderr + self.log()
        return p.stdout

    def start(self):
        self.run('postfix', 'start')
        with open(os.path.join(self.dir, 'queue', 'pid',
                               'master.pid')) as f:
            self.pid = int(f.read())
        return self

    def stop(self):
        """The master, by its pid; its children end with it"""
        if self.pid is None:
            return
        os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + 20 * SLOW
        while runs(self.pid):
            assert time.monotonic() < end, 'postfix does not stop'
            time.sleep(0.02)
        self.pid = None

    def log(self):
        try:
            with open(os.path.join(self.dir, 'log')) as f:
                return f.read()
        except FileNotFoundError:
            return ''

    def logged(self, pattern, count=1, timeout=30):
        """Waits for so many matches; returns them all"""
        end = time.monotonic() + timeout * SLOW
        while True:
            found = re.findall(pattern, self.log())
            if len(found) >= count:
                return found
            assert time.monotonic() < end, (pattern, self.log()[-5000:])
            time.sleep(0.02)

    def queue(self):
        """The messages that are in it"""
        return [json.loads(line)
                for line in self.run('postqueue', '-j').splitlines()]

    def flush(self):
        self.run('postqueue', '-f')

    def empty(self, timeout=30):
        """Waits until all is delivered, or given up"""
        end = time.monotonic() + timeout * SLOW
        while True:
            left = self.queue()
            if not left:
                return
            assert time.monotonic() < end, (left, self.log()[-5000:])
            time.sleep(0.05)

    def client(self):
        return smtplib.SMTP('127.0.0.1', self.port, timeout=30 * SLOW)

    def send(self, text, *to, sender='ann@localhost', options=()):
        c = self.client()
        try:
            assert c.sendmail(sender, to, text, list(options)) == {}
        finally:
            c.quit()
