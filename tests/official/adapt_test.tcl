# SPDX-License-Identifier: BSD-3-Clause
#
# Loaded after the suite has defined `test`: a test that fails leaves neither
# servers of its own nor a client in the middle of a reply to the tests after it.

rename test official_suite_test
proc test {name code {okpattern undefined} {tags {}}} {
    set failures $::num_failed
    set depth [llength $::servers]
    set modes [official::modes]
    uplevel 1 [list official_suite_test $name $code $okpattern $tags]
    if {$::num_failed == $failures} return
    official::drop_servers $depth
    official::repair $name $modes
}
