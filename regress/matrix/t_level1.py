#!/usr/bin/env python3
"""See matrix.py"""

import matrix

matrix.main('level1')
