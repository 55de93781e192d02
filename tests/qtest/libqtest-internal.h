/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For walk.c, and tests of what happens in one turn of the main loop: commands sent ahead of their answers. */
#ifndef TESTS_QTEST_LIBQTEST_INTERNAL_H
#define TESTS_QTEST_LIBQTEST_INTERNAL_H

#include "tests/qtest/libqtest.h"

void qtest_send(QTest *q, const char *line);     /* line without newline; may hold several parted by newlines */
char *qtest_receive(QTest *q, const char *what); /* the next answer; interrupts are counted on the way */
uint64_t qtest_value(QTest *q, const char *answer, const char *what); /* of an OK answer; dies on others */

#endif
