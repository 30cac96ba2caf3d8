# SPDX-License-Identifier: BSD-3-Clause
#
# Run-time additions to the suite's test client; adapt.py copies this file into
# the working copy and makes the suite's own procedures call it.
#
# The suite was written for a server that passes nearly all of it: one exception
# outside a test ends the unit, one reply that never comes ends the run, and one
# half-read reply spoils every test after it. These procedures confine such
# damage:
#
#   official::wait_readable         a reply must come within a time limit
#   official::run_block, run_file   statements are evaluated one at a time
#   official::check_start           a server that died is not waited for
#   official::modes, repair         clients and servers after a failure
#
# Two more kinds of line than the suite's appear in the output:
#   [exc]: first line of a statement outside a test that raised, then the error
#   [crash]: the test after which a server was found dead

if {[namespace exists ::official]} return

namespace eval official {
    variable reply_limit_ms 20000
    if {[info exists ::env(OFFICIAL_REPLY_LIMIT)]} {
        set reply_limit_ms [expr {1000 * $::env(OFFICIAL_REPLY_LIMIT)}]
    }
    variable ready_turns_max 4000
    variable starting
    array set starting {pid "" turns 0}
    variable repairing 0
    variable pings 0
    variable waiting
}

# --- Replies ---

# Return when FD has something to read (or is closed); raise after the limit.
# Channels that are read by event handlers are left alone.
proc official::wait_readable {fd} {
    variable reply_limit_ms
    variable waiting
    if {[chan pending input $fd] > 0} return
    if {[fileevent $fd readable] ne {} || ![fconfigure $fd -blocking]} return
    set slot ::official::waiting($fd)
    set $slot pending
    set timer [after $reply_limit_ms [list set $slot late]]
    fileevent $fd readable [list set $slot ready]
    while {[set $slot] eq "pending"} {vwait $slot}
    after cancel $timer
    catch {fileevent $fd readable {}}
    set outcome [set $slot]
    unset $slot
    if {$outcome eq "late"} {error "official: no reply within $reply_limit_ms ms"}
}

# Does this unit run over TLS? The load generators do not define the variable.
proc official::is_over_tls {} {
    expr {[info exists ::tls] && $::tls}
}

# Is this a connection to a server, and not the one by which the test client gets
# its orders (which may well be silent for long)? Not told of connections over TLS:
# what their library has decrypted already would not make them readable.
proc official::is_to_server {channel} {
    if {[official::is_over_tls]} {return 0}
    if {![string match sock* $channel]} {return 0}
    expr {![info exists ::test_server_fd] || $channel ne $::test_server_fd}
}

# Whatever reads from a server is subject to the limit: the suite's client library
# as well as the tests that talk to a socket themselves.
rename ::read ::official::plain_read
rename ::gets ::official::plain_gets
proc ::read {args} {
    set channel [lindex $args [expr {[lindex $args 0] eq "-nonewline"}]]
    if {[official::is_to_server $channel]} {official::wait_readable $channel}
    tailcall ::official::plain_read {*}$args
}
proc ::gets {channel args} {
    if {[official::is_to_server $channel]} {official::wait_readable $channel}
    tailcall ::official::plain_gets $channel {*}$args
}

# Read the byte that tells a reply's type. Most replies are there at once, so a
# few non-blocking reads go first: the event loop costs far more than they do.
proc official::first_byte {fd} {
    # reading while a handshake is under way must block
    if {[is_over_tls]} {return [::redis::redis_safe_read $fd 1]}
    set byte {}
    set failed [catch {
        fconfigure $fd -blocking 0
        for {set i 0} {$i < 40 && $byte eq {} && ![eof $fd]} {incr i} {
            set byte [plain_read $fd 1]
        }
    }]
    catch {fconfigure $fd -blocking 1}
    if {!$failed && ($byte ne {} || [eof $fd])} {return $byte}
    # the suite's own reader words the error of a broken connection
    return [::redis::redis_safe_read $fd 1]
}

# --- Statements ---

# Split a script into its top-level statements. A statement ends at a line that is
# not indented deeper than its first one and completes it: `info complete` after
# each line alone would be quadratic in the length of a block.
proc official::statements {script} {
    set found {}
    set current ""
    set depth 0
    foreach line [split $script "\n"] {
        regexp {^[ \t]*} $line margin
        set indent [string length $margin]
        if {$current eq ""} {
            set text [string trim $line]
            if {$text eq ""} continue
            if {[string index $text 0] eq "#" && [string index $text end] ne "\\"} continue
            set current $line
            set depth $indent
        } else {
            append current "\n" $line
            if {$indent > $depth} continue
        }
        if {[string index $current end] eq "\\"} continue
        if {[info complete $current]} {
            lappend found $current
            set current ""
        }
    }
    if {[string trim $current] ne ""} {lappend found $current}
    return $found
}

proc official::note {status text} {
    catch {send_data_packet $::test_server_fd $status $text}
}

# Stop the servers that were started above DEPTH and not stopped.
proc official::drop_servers {depth} {
    while {[llength $::servers] > $depth} {
        set server [lindex $::servers end]
        set ::servers [lrange $::servers 0 end-1]
        catch {kill_server $server}
    }
}

# Evaluate CODE one statement at a time, LEVEL frames above the caller of this
# procedure; what one statement raises is noted and does not end the block.
proc official::run_block {level code} {
    foreach statement [statements $code] {
        set tags $::tags
        set depth [llength $::servers]
        set outcome [catch {uplevel [expr {$level + 1}] $statement} result]
        if {$outcome == 0} continue
        set ::tags $tags
        drop_servers $depth
        if {$outcome != 1} break
        if {[string match "skipped:*" $result]} {
            note skip [string range $result 8 end]
            break
        }
        set first [lindex [split [string trim $statement] "\n"] 0]
        set first [string range $first 0 120]
        note exc "$first\n[string range $result 0 600]"
        repair $first
    }
    return {}
}

proc official::run_file {path} {
    set file [open $path]
    fconfigure $file -encoding utf-8
    set code [read $file]
    close $file
    run_block 1 $code
}

# --- Servers and clients ---

proc official::is_alive {pid} {
    expr {![catch {exec kill -0 $pid}]}
}

# Is it hopeless that PID, whose output is in STDOUT, prints its start message?
# A busy port is a case that the suite handles itself.
proc official::is_stillborn {pid stdout} {
    if {[is_alive $pid]} {return 0}
    set text [exec cat $stdout]
    expr {![regexp {Failed listening on port} $text]
        && ![regexp -- " PID: $pid" $text]}
}

# Called on each turn (of 10 ms) of the endless wait for "Ready to accept
# connections"; asks for the process only now and then, as that costs a fork.
proc official::check_start {pid} {
    variable starting
    variable ready_turns_max
    if {$starting(pid) ne $pid} {array set starting [list pid $pid turns 0]}
    set turns [incr starting(turns)]
    if {$turns > $ready_turns_max} {
        set starting(pid) ""
        error "official: server $pid never became ready"
    }
    if {$turns % 50 == 0 && ![is_alive $pid]} {
        set starting(pid) ""
        error "official: server $pid died before it was ready"
    }
}

# Start a dead server again from its own configuration; returns its new record.
proc official::revive {server} {
    set stdout [dict get $server stdout]
    set before [count_message_lines $stdout "Ready to accept"]
    set pid [spawn_server [dict get $server config_file] $stdout \
        [dict get $server stderr] {}]
    for {set i 0} {$i < 300} {incr i} {
        if {[count_message_lines $stdout "Ready to accept"] > $before} break
        if {![is_alive $pid]} break
        after 50
    }
    dict set server pid $pid
    return $server
}

# The client library's switches of one connection: what a test may turn on for
# itself, or for the tests after it.
proc official::modes_of {id} {
    set modes {}
    foreach switch {deferred readraw blocking testing_resp3} {
        if {[info exists ::redis::${switch}($id)]} {
            dict set modes $switch [set ::redis::${switch}($id)]
        }
    }
    return $modes
}

# The number of a server's main client in the client library's tables, or nothing.
proc official::client_id {server} {
    if {![dict exists $server client]} return
    if {![regexp {Handle(\d+)$} [dict get $server client] -> id]} return
    if {[info exists ::redis::fd($id)]} {return $id}
}

# The switches of all main clients, to be put back by repair.
proc official::modes {} {
    set all {}
    foreach server $::servers {
        set id [client_id $server]
        if {$id ne {}} {dict set all $id [modes_of $id]}
    }
    return $all
}

# Does this client get the answer to a PING of its own, and nothing else?
proc official::is_in_step {client id} {
    variable pings
    variable reply_limit_ms
    if {$::redis::fd($id) eq {}} {return 0}
    catch {fconfigure $::redis::fd($id) -blocking 1}
    set word "official-[pid]-[incr pings]"
    set limit $reply_limit_ms
    set reply_limit_ms 4000
    set failed [catch {$client ping $word} reply]
    set reply_limit_ms $limit
    if {!$failed} {return [expr {$reply eq $word}]}
    # refused, but by an answer to this very request
    regexp {^(NOAUTH|NOPERM|LOADING|MASTERDOWN|BUSY|OOM|MISCONF)} $reply
}

# Connect the main client of a server anew, under the same handle.
proc official::reconnect {server id} {
    catch {close $::redis::fd($id)}
    set ::redis::fd($id) {}
    lassign $::redis::addr($id) host port
    set open [expr {$::redis::tls($id) ? "::tls::socket" : "socket"}]
    if {[catch {$open $host $port} fd]} return
    fconfigure $fd -translation binary
    set ::redis::fd($id) $fd
    ::redis::redis_reset_state $id
    set ::redis::testing_resp3($id) 0
    set guarded [expr {[dict exists $server config]
        && [dict exists [dict get $server config] requirepass]}]
    if {!$guarded && !$::singledb} {catch {[dict get $server client] select 9}}
}

# Bring the main client of a server back into step, its switches as given.
proc official::reset_client {server modes} {
    set id [client_id $server]
    if {$id eq {}} return
    set client [dict get $server client]
    if {$modes eq {}} {set modes [modes_of $id]}
    set ::redis::deferred($id) 0
    set ::redis::readraw($id) 0
    set ::redis::blocking($id) 1
    if {![is_in_step $client $id]} {reconnect $server $id}
    if {[dict exists $modes testing_resp3]} {
        set resp3 [dict get $modes testing_resp3]
        if {$resp3 != $::redis::testing_resp3($id)} {
            catch {$client hello [expr {$resp3 ? 3 : 2}]}
        }
    }
    dict for {switch value} $modes {set ::redis::${switch}($id) $value}
    catch {fconfigure $::redis::fd($id) -blocking $::redis::blocking($id)}
}

# After a failure: every server of the stack lives, and its client is in step.
# WHAT: the test or statement that failed. MODES: the clients' switches before it;
# as they are now if not given.
proc official::repair {what {modes {}}} {
    variable repairing
    if {$repairing} return
    set repairing 1
    catch {
        for {set i 0} {$i < [llength $::servers]} {incr i} {
            set server [lindex $::servers $i]
            if {![dict exists $server client]} continue
            if {[dict exists $server pid] && ![is_alive [dict get $server pid]]} {
                note crash "after $what"
                catch {
                    set server [revive $server]
                    lset ::servers $i $server
                }
            }
            set id [client_id $server]
            set own {}
            if {[dict exists $modes $id]} {set own [dict get $modes $id]}
            reset_client $server $own
        }
    }
    set repairing 0
}
