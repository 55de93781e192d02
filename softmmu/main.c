/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/error.h"

int main(int argc, char **argv)
{
    error_init(argv[0]);
    error_report("no machine yet");
    return 1;
}
