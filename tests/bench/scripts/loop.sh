# SPDX-License-Identifier: GPL-2.0-or-later
# loop.sh AMOUNT: a shell's own work, without processes
i=0 sum=0 text=
while [ "$i" -lt "$1" ]; do
    sum=$(((sum * 31 + i) % 1000003))
    case $sum in *7) text=${text%??????????????????????????????}x$sum ;; esac
    i=$((i + 1))
done
echo "$sum $text"
