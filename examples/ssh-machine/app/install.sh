#!/bin/sh
set -e
echo "1.0" > version
chmod 0755 .
