/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -nic and -net nic make of a board. */
#ifndef HW_NET_CARDS_H
#define HW_NET_CARDS_H

#include "hw/pci/pci.h"

/* By a board, in its init: each card that is asked for, as a PCI device. */
bool net_cards_create(PciBus *bus, const char *default_model, Error **errp);
void net_cards_help(void);          /* model=help, to stdout */
bool net_cards_check(Error **errp); /* all were made */

#endif
