# shellcheck shell=bash
# Writes every command typed at an interactive bash prompt to the workshop's command log, one JSON
# object a line. Sourced by the system's bashrc; needs bash 4.4; pure bash, so that a prompt starts
# no process. It prints nothing and leaves what a student can see as it was, but for HISTIGNORE and
# a trap on XFSZ (see there); when it cannot do its work (no log, a full disk) it does nothing.
#
# PS0, which bash expands between reading a command and running it, notes the history number and
# the time in two arithmetic assignments and expands to nothing. At the next prompt __ws_prompt, in
# front of whatever else is in PROMPT_COMMAND, reads the command back from the history and logs it;
# __ws_ready, behind everything else, prepares for the next one.
#
# Builtins are called as `builtin x`, past functions and aliases of the same name; `builtin local`
# splits words, so what is assigned there is quoted; so is arithmetic, for IFS may be digits. There
# is no [[ =~ ]]: it would overwrite the student's BASH_REMATCH. What a student may have made
# read-only is not assigned to without a look: that would end the whole PROMPT_COMMAND.

[ -n "${BASH_VERSION-}" ] || return 0
case $- in *i*) ;; *) return 0 ;; esac
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || return 0

# How both stand in PROMPT_COMMAND. The redirections keep `set -x`, a DEBUG trap of the student's
# and any error of ours from being seen.
__ws_first='{ __ws_prompt; } >/dev/null 2>&1'
__ws_last='{ __ws_ready; } >/dev/null 2>&1'

# In front of PS0. A subscript is arithmetic, and assigns; := gives HISTCONTROL back (see
# __ws_hold). The x of __ws_x goes away with the other characters in the brackets.
# shellcheck disable=SC2016  # for the prompt to expand
__ws_ps0='${__ws_x[__ws_noted[0]=${HISTCMD-0},'
# shellcheck disable=SC2016
((BASH_VERSINFO[0] < 5)) || __ws_ps0+='__ws_noted[1]=${EPOCHREALTIME/[^0-9]/}+0,'
# shellcheck disable=SC2016
__ws_ps0+='1]-}${__ws_x//[x${__ws_held:+${HISTCONTROL:=$__ws_held}}]}'
__ws_x=x

__ws_log=${WORKSHOP_COMMAND_LOG:-/workshop/runtime/command-log.jsonl}
__ws_command_limit=1024   # characters; a longer command is cut
__ws_directory_limit=1024 # characters; a longer directory is left out
__ws_mend_limit=64        # bad bytes in one text that are looked at one by one
__ws_no_spaces='[  ]*'    # what HISTIGNORE gets to stand for ignorespace
__ws_terminal=
[[ -z ${WORKSHOP_TERMINAL-} || $WORKSHOP_TERMINAL == *[!a-z0-9-]* ]] ||
    __ws_terminal=",\"term\":\"$WORKSHOP_TERMINAL\""

__ws_euro=$'\xe2\x82\xacx'
__ws_wide=$'[!\x01-\xef\xbf\xbf]' # beyond U+FFFF
# Bytes and characters of UTF-8 as patterns (RFC 3629); used in the C locale only.
__ws_high=$'[\x80-\xff]'
__ws_two=$'[\xc2-\xdf][\x80-\xbf]'
__ws_three=(
    $'\xe0[\xa0-\xbf][\x80-\xbf]'
    $'[\xe1-\xec\xee\xef][\x80-\xbf][\x80-\xbf]'
    $'\xed[\x80-\x9f][\x80-\xbf]'
)
__ws_four=(
    $'\xf0[\x90-\xbf][\x80-\xbf][\x80-\xbf]'
    $'[\xf1-\xf3][\x80-\xbf][\x80-\xbf][\x80-\xbf]'
    $'\xf4[\x80-\x8f][\x80-\xbf][\x80-\xbf]'
)

# Sourced a second time, it does not disturb what goes on.
: "${__ws_noted[0]=0}" "${__ws_noted[1]=0}" "${__ws_open=0}" "${__ws_number=0}" "${__ws_held=}"
: "${__ws_control=}" "${__ws_previous=}" "${__ws_torn=}" "${__ws_day=-1}" "${__ws_file=}"
: "${__ws_directory=}" "${__ws_directory_member=}" "${__ws_placed=}"

# Log the command that ended, if one did. Returns its status, for the rest of PROMPT_COMMAND.
__ws_prompt() {
    __ws_was=("$?" "$-") # an array: `set -a` would show a variable to every program
    builtin local -
    builtin set +aefkuvxCET
    if ((__ws_open)); then
        __ws_ended=${EPOCHREALTIME-}
        __ws_open=0
        __ws_typed=${__ws_noted[0]} # 0: not run, like a comment or a mistake in the syntax
        __ws_control=$__ws_held
        [[ -z $__ws_held ]] || __ws_release
        ((__ws_added = (__ws_typed ? __ws_typed : ${HISTCMD-0}) - __ws_number))
        if ((__ws_added > 0)); then
            # A file size limit of the student's makes the write fail, and does not end the shell.
            builtin trap '' XFSZ
            __ws_record
            builtin trap - XFSZ
        fi
        __ws_number=${HISTCMD-0}
    fi
    # `local -` gives `set -e` back, and a status would end the shell then.
    [[ ${__ws_was[1]} == *e* ]] || builtin return "${__ws_was[0]}"
}

# Prepare for the next command.
__ws_ready() {
    builtin local -
    builtin set +aefkuvxCET
    builtin shopt -q promptvars && [[ ${PROMPT_COMMAND[*]}$PS0 == "$__ws_placed" ]] || __ws_place
    if ((__ws_number != ${HISTCMD-0})); then # the first prompt, or PROMPT_COMMAND read a history
        __ws_number=${HISTCMD-0}
        ((__ws_added = __ws_count = 1))
        __ws_previous=
        __ws_fetch && __ws_previous=$__ws_text
    fi
    __ws_noted=(0 0) # an array here too
    [[ -z ${HISTCONTROL-} ]] || __ws_hold
    __ws_open=1
}

# Stand first and last in PROMPT_COMMAND, and in PS0, whatever was assigned to them since. Where
# bash takes an array (5.1), a plain PROMPT_COMMAND='...' leaves __ws_ready behind, which comes back
# here. Elements are only assigned and appended: bash is walking through this array just now.
__ws_place() {
    builtin local "__ws_value=${PROMPT_COMMAND-}"
    if [[ ${PROMPT_COMMAND@a} != *r* ]]; then
        [[ $__ws_value == "$__ws_first"* ]] ||
            __ws_value=$__ws_first${__ws_value:+$'\n'$__ws_value}
        if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
            [[ ${PROMPT_COMMAND-} == "$__ws_value" ]] || PROMPT_COMMAND[0]=$__ws_value
            [[ ${PROMPT_COMMAND[*]: -1} == "$__ws_last" ]] || __ws_place_last
        elif [[ $__ws_value != *$'\n'"$__ws_last" ]]; then
            PROMPT_COMMAND=${__ws_value//$'\n'"$__ws_last"/}$'\n'$__ws_last
        elif [[ $PROMPT_COMMAND != "$__ws_value" ]]; then
            PROMPT_COMMAND=$__ws_value
        fi
    fi
    if [[ ${PS0@a} != *r* ]]; then
        if ! builtin shopt -q promptvars; then # PS0 would be printed as it is
            [[ ${PS0-} != *"$__ws_ps0"* ]] || PS0=${PS0//"$__ws_ps0"/}
        elif [[ ${PS0-} != "$__ws_ps0"* ]]; then
            PS0=$__ws_ps0${PS0-}
        fi
    fi
    __ws_placed=${PROMPT_COMMAND[*]}$PS0
}

__ws_place_last() {
    builtin local __ws_index __ws_hole=
    for __ws_index in "${!PROMPT_COMMAND[@]}"; do
        if [[ -n $__ws_hole ]]; then # what came behind us moves up
            PROMPT_COMMAND[__ws_hole]=${PROMPT_COMMAND[__ws_index]}
            __ws_hole=$__ws_index
        elif [[ ${PROMPT_COMMAND[__ws_index]} == "$__ws_last" ]]; then
            __ws_hole=$__ws_index
        fi
    done
    PROMPT_COMMAND[${__ws_hole:-__ws_index + 1}]=$__ws_last
}

# A repeated command does not enter the history under ignoredups, and cannot be told from one with
# a space in front under ignoreboth. So HISTCONTROL is empty while a line is typed, PS0 gives it
# back before the line runs, and __ws_forget does its work afterwards. A line with a space in front
# must not be in the history even for a moment; HISTIGNORE sees to that meanwhile.
__ws_hold() {
    builtin local "__ws_value=${HISTCONTROL-}"
    [[ :$__ws_value: == *:@(ignoredups|ignoreboth|erasedups):* ]] || builtin return
    [[ $__ws_value == *[!a-z:]* ]] || ! builtin shopt -q promptvars && builtin return
    [[ ${HISTCONTROL@a}${HISTIGNORE@a}${PS0@a} == *r* ]] && builtin return
    if [[ :$__ws_value: == *:@(ignorespace|ignoreboth):* ]]; then
        HISTIGNORE=$__ws_no_spaces${HISTIGNORE:+:$HISTIGNORE}
    fi
    __ws_held=$__ws_value
    HISTCONTROL=
}

__ws_release() {
    __ws_held=
    ((__ws_typed)) || HISTCONTROL=${HISTCONTROL:-$__ws_control}
    if [[ ${HISTIGNORE-} == "$__ws_no_spaces" ]]; then
        builtin unset -v HISTIGNORE
    elif [[ ${HISTIGNORE-} == "$__ws_no_spaces":* ]]; then
        HISTIGNORE=${HISTIGNORE#"$__ws_no_spaces:"}
    fi
}

# Log what was typed, unless it was not meant for the history.
__ws_record() {
    # The command may have added entries of its own (history -r) or taken some away (history -d).
    ((__ws_count = ${HISTCMD-0} - __ws_number, __ws_count > 0 || (__ws_count = 1)))
    __ws_fetch || builtin return
    [[ -z $__ws_control ]] || __ws_forget
    __ws_previous=$__ws_text
    [[ $__ws_text == *[![:space:]]* && $__ws_text != ' '* ]] || builtin return
    [[ $__ws_text == '#'* ]] && ((__ws_typed == 0)) && builtin return
    __ws_append
}

# Put the command into __ws_text. (Bash copies a function whenever it calls it: what is rarely
# needed stands apart.)
__ws_fetch() {
    if [[ -n $__ws_file && -z ${HISTTIMEFORMAT-} ]]; then
        __ws_read || __ws_find_place || builtin return 1
    else
        __ws_read_elsewhere || builtin return 1
    fi
    __ws_text=${__ws_lines[0]#*[0-9][ *] } # "    4  echo", or with a * when it was changed
    ((${#__ws_lines[@]} == 1)) || __ws_join
}

# Put what `history __ws_count` prints into __ws_lines, by way of a file: a pipe would block for
# ever on a command larger than itself.
__ws_read() {
    builtin history "$__ws_count" >"$__ws_file" || builtin return 1
    builtin mapfile -t -n 1100 __ws_lines <"$__ws_file"
    [[ -n ${__ws_lines[0]-} ]] && >"$__ws_file"
}

__ws_read_elsewhere() {
    builtin local HISTTIMEFORMAT=
    [[ -n $__ws_file ]] && __ws_read || __ws_find_place
}

# Put the first __ws_added of the last __ws_count entries of the history into __ws_text. They are
# several when `shopt -u cmdhist` keeps the lines of a command apart.
__ws_join() {
    builtin local __ws_line __ws_next
    __ws_entry_number
    for __ws_line in "${__ws_lines[@]:1}"; do
        builtin printf -v __ws_next '%5d' "$((__ws_entry + 1))"
        if ((__ws_count > 1)) && [[ $__ws_line == "$__ws_next"[\ *]' '* ]]; then
            ((--__ws_added)) || builtin break
            ((++__ws_entry))
            __ws_line=${__ws_line#*[0-9][ *] }
        fi
        __ws_text+=$'\n'$__ws_line
    done
    __ws_text=${__ws_text%$'\n'} # a here-document's
}

__ws_entry_number() {
    __ws_entry=${__ws_lines[0]#"${__ws_lines[0]%%[0-9]*}"}
    __ws_entry=${__ws_entry%%[!0-9]*}
}

# Find a place for that file, in memory if there is one; nobody else can have put one there for us.
__ws_find_place() {
    builtin local -
    builtin set -C # makes > refuse what exists, links included
    for __ws_file in /dev/shm "${XDG_RUNTIME_DIR:-/tmp}" /tmp; do
        __ws_file+=/.workshop-$EUID-$$
        [[ -f $__ws_file && -O $__ws_file && ! -L $__ws_file ]] || >"$__ws_file" || builtin continue
        builtin set +C
        __ws_read && builtin return 0
        builtin set -C
    done
    __ws_file=
    builtin return 1
}

# What HISTCONTROL would have done, had it not been held.
__ws_forget() {
    if [[ :$__ws_control: == *:erasedups:* ]]; then
        builtin history -s -- "$__ws_text"
    elif ((${#__ws_lines[@]} == 1)) && builtin test "$__ws_text" = "$__ws_previous"; then
        __ws_entry_number
        builtin history -d "$__ws_entry"
    fi
}

# Write one line to the log.
__ws_append() {
    builtin local __ws_line __ws_cut= "__ws_value=$__ws_text"
    [[ -f $__ws_log || ! -e $__ws_log ]] || builtin return # a pipe would block
    if ((${#__ws_value} > __ws_command_limit)) ||
        [[ $__ws_value == *[[:cntrl:]\"\\]* || $__ws_value == *[![:ascii:]]* ]]; then
        __ws_encode "$__ws_command_limit"
    fi
    # The time in UTC by arithmetic: TZ may be anything, even read-only.
    __ws_now=${__ws_ended/[^0-9]/} # microseconds
    [[ -n $__ws_now ]] || __ws_old_clock
    ((__ws_now / 86400000000 == __ws_day)) || __ws_calendar "$((__ws_now / 86400000000))"
    builtin test "${PWD-}" = "$__ws_directory" || __ws_encode_directory
    builtin printf -v __ws_line '{"ts":"%sT%02d:%02d:%02d.%03dZ","cmd":"%s","exit":%d%s%s' \
        "$__ws_date" "$((__ws_now / 3600000000 % 24))" "$((__ws_now / 60000000 % 60))" \
        "$((__ws_now / 1000000 % 60))" "$((__ws_now / 1000 % 1000))" \
        "$__ws_value" "${__ws_was[0]}" "${__ws_cut:+,\"cut\":true}" "$__ws_directory_member"
    if ((__ws_noted[1])); then # the clock may have been set back
        __ws_line+=",\"ms\":$((__ws_now > __ws_noted[1] ? (__ws_now - __ws_noted[1]) / 1000 : 0))"
    fi
    # A failed write may leave half a line: the next one begins on a line of its own.
    if builtin printf '%s\n' "$__ws_torn$__ws_line$__ws_terminal}" >>"$__ws_log"; then
        __ws_torn=
    else
        __ws_torn=$'\n'
    fi
}

# Without EPOCHREALTIME, which came with bash 5: seconds will do, and no run time.
__ws_old_clock() {
    builtin printf -v __ws_now '%(%s)T000000' -1
    __ws_noted[1]=0
}

# The date of the day $1 since 1970: http://howardhinnant.github.io/date_algorithms.html
__ws_calendar() {
    builtin local __ws_e __ws_y __ws_m __ws_d
    __ws_day=$1
    ((__ws_e = ($1 + 719468) % 146097))
    ((__ws_y = (__ws_e - __ws_e / 1460 + __ws_e / 36524 - __ws_e / 146096) / 365))
    ((__ws_d = __ws_e - (365 * __ws_y + __ws_y / 4 - __ws_y / 100)))
    ((__ws_m = (5 * __ws_d + 2) / 153))
    ((__ws_d += 1 - (153 * __ws_m + 2) / 5))
    ((__ws_m += __ws_m < 10 ? 3 : -9))
    ((__ws_y += ($1 + 719468) / 146097 * 400 + (__ws_m <= 2)))
    builtin printf -v __ws_date '%04d-%02d-%02d' "$__ws_y" "$__ws_m" "$__ws_d"
}

__ws_encode_directory() {
    __ws_directory=${PWD-}
    __ws_directory_member=
    builtin local __ws_cut= "__ws_value=$__ws_directory"
    __ws_encode "$__ws_directory_limit"
    [[ -z $__ws_value || -n $__ws_cut ]] || __ws_directory_member=",\"cwd\":\"$__ws_value\""
}

# Make __ws_value the inside of a JSON string of at most $1 characters; __ws_cut is 1 when it was longer.
__ws_encode() {
    if [[ $__ws_value == *[![:ascii:]]* ]]; then
        # Bash matches by characters only what is valid in its locale; no charset but UTF-8 makes
        # one character of these three bytes. It takes more than Unicode has for valid, though.
        [[ $__ws_euro$__ws_value == ?x* ]] || builtin local LC_ALL=C.UTF-8
        [[ $__ws_euro$__ws_value == ?x* && $__ws_value != *$__ws_wide* ]] || __ws_mend "$1"
    fi
    if ((${#__ws_value} > $1)) && [[ -z $__ws_cut ]]; then
        __ws_value=${__ws_value:0:$1}
        __ws_cut=1
    fi
    [[ $__ws_value != *[[:cntrl:]\"\\]* ]] || __ws_escape
    __ws_cut=${__ws_cut#0}
}

__ws_escape() {
    builtin local __ws_char __ws_code __ws_backslash=\\
    __ws_value=${__ws_value//"$__ws_backslash"/"$__ws_backslash$__ws_backslash"}
    __ws_value=${__ws_value//'"'/"$__ws_backslash\""}
    __ws_value=${__ws_value//$'\n'/"${__ws_backslash}n"}
    __ws_value=${__ws_value//$'\t'/"${__ws_backslash}t"}
    while [[ $__ws_value == *[[:cntrl:]]* ]]; do # at most once for each of the others
        __ws_char=${__ws_value#"${__ws_value%%[[:cntrl:]]*}"}
        __ws_char=${__ws_char:0:1}
        builtin printf -v __ws_code '\\u%04x' "'$__ws_char"
        __ws_value=${__ws_value//"$__ws_char"/"$__ws_code"}
    done
}

# Make __ws_value valid UTF-8 of at most $1 characters, with U+FFFD for every byte that is none.
# A mask of the same length stands beside it: valid characters are an `a` and a \2 for every
# further byte, bad bytes are themselves.
__ws_mend() {
    builtin local LC_ALL=C # from here on a character is a byte
    builtin local __ws_mask __ws_good __ws_done= __ws_done_mask= __ws_pattern
    builtin local -i __ws_place __ws_bad=0 __ws_missing=0
    __ws_cut=0 # looked at here
    if ((${#__ws_value} > 4 * $1)); then
        __ws_value=${__ws_value:0:4*$1}
        __ws_cut=1
    fi
    __ws_mask=${__ws_value//$'\2'/a}
    __ws_mask=${__ws_mask//$__ws_two/$'a\2'}
    for __ws_pattern in "${__ws_three[@]}"; do
        __ws_mask=${__ws_mask//$__ws_pattern/$'a\2\2'}
    done
    for __ws_pattern in "${__ws_four[@]}"; do
        __ws_mask=${__ws_mask//$__ws_pattern/$'a\2\2\2'}
    done
    while [[ $__ws_mask == *$__ws_high* ]]; do
        if ((++__ws_bad > __ws_mend_limit)); then # this is not text
            __ws_value=${__ws_value//$'\2'/a}
            __ws_mask=${__ws_value//$__ws_high/$'a\2\2'}
            __ws_value=${__ws_value//$__ws_high/$'\xef\xbf\xbd'}
            builtin break
        fi
        __ws_good=${__ws_mask%%$__ws_high*}
        __ws_place=${#__ws_good}
        __ws_done+=${__ws_value:0:__ws_place}$'\xef\xbf\xbd'
        __ws_done_mask+=$__ws_good$'a\2\2'
        __ws_value=${__ws_value:__ws_place+1}
        __ws_mask=${__ws_mask:__ws_place+1}
    done
    __ws_value=$__ws_done$__ws_value
    __ws_mask=$__ws_done_mask$__ws_mask
    __ws_good=${__ws_mask//$'\2'/}
    ((${#__ws_good} > $1)) || builtin return
    # Up from below: as many bytes on as characters are missing, until none is.
    __ws_cut=1
    __ws_place=0
    while ((__ws_missing = $1 - __ws_missing)); do
        __ws_place+=__ws_missing
        __ws_good=${__ws_mask:0:__ws_place}
        __ws_good=${__ws_good//$'\2'/}
        __ws_missing=${#__ws_good}
    done
    while [[ ${__ws_mask:__ws_place:1} == $'\2' ]]; do
        __ws_place+=1
    done
    __ws_value=${__ws_value:0:__ws_place}
}

__ws_place
