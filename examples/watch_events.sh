#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The event log of a host as a stream: follow it, be cut off, resume without a gap; a filter
# whose reader can prove that it missed nothing; Server-Sent Events; a cursor that has expired.
. "$(dirname "$0")/lib.sh"
use_server

title "Follow the log, from its first event on"
new_host '{}'
follow "$work/first" "$base/events?follow=true"
expect 201 -c '{id, revision}' PUT "$base/ioas/a" '{}'
expect 201 -c '{id, revision}' PUT "$base/contexts/vm1" '{}'
await "$work/first" '"id":"vm1"'
cut -c 1-150 "$work/first"

title "The connection breaks; things go on happening"
stop "$follower"
last=$(jq -s 'last.seq' "$work/first")
expect 201 -c '{id, revision}' PUT "$base/ioas/b" '{}'
expect 200 -c . DELETE "$base/ioas/a"

title "Resume after the last event that arrived"
follow "$work/second" "$base/events?follow=true&after=$last"
expect 201 -c '{id, revision}' PUT "$base/ioas/c" '{}'
await "$work/second" '"id":"c"'
cut -c 1-150 "$work/second"
body=$(jq -s '[.[] | select(.prev != null)]' "$work/first" "$work/second")
check "every event is there once: seq has no holes" '[.[].seq] == [range(1; 8)]'
check "and each names the one before it" 'all(.[]; .prev == .seq - 1)'

title "With a filter, prev is the previous event that matches"
expect 200 GET "$base/events?kind=ioas"
printf '%s\n' "$body" | jq -c '{type, seq, prev, id: .object.id}'
body=$(jq -s '[.[] | select(.prev != null)]' <<<"$body")
check "the chain of prev has no gap, so nothing was missed" \
  '. as $all | [.[].prev] == [0] + [$all[:-1][].seq]'
middle=$(field '.[1].seq')
expect 200 GET "$base/events?kind=ioas&after=$middle&limit=1"
body=$(jq -s '[.[] | select(.prev != null)]' <<<"$body")
check "a page goes on where the last one ended" '.[0].prev == $seen' --argjson seen "$middle"

title "One object's life, by ID and type"
expect 200 GET "$base/events?id=a"
body=$(jq -s '[.[] | select(.prev != null) | .type]' <<<"$body")
check "it came and went" '. == ["ioas.created", "ioas.deleted"]'
expect 422 -c '{code, errors}' GET "$base/events?type=ioas.eaten"

title "First the objects as they are, then what follows"
expect 200 GET "$base/events?snapshot=true&kind=ioas"
printf '%s\n' "$body" | jq -c '{type, seq, id: .object.id}'
body=$(jq -s '[.[] | select(.type == "snapshot") | .object.id]' <<<"$body")
check "the two that there are" '. == ["b", "c"]'

title "The same as Server-Sent Events; a browser's EventSource resumes with Last-Event-ID"
follow "$work/sse" "$base/events?follow=true" -H 'Accept: text/event-stream' -H 'Last-Event-ID: 6'
await "$work/sse" 'id: 7'
cut -c 1-150 "$work/sse"
same "only the event behind the sixth" "$(grep -c '^id:' "$work/sse")" 1
stop "$follower"

title "A reset begins a new epoch: an old cursor has expired, and says so"
follow "$work/third" "$base/events?follow=true&after=latest"
expect 200 -c '{id, epoch, seq}' POST "$base/reset"
await_end
tail -n 1 "$work/third"
same "the stream said why it ended" "$(jq -s -r 'last | "\(.type) \(.reason)"' "$work/third")" 'bye reset'
expect 410 -c '{code, epoch, oldest, latest}' GET "$base/events?after=$last"
check "and from where one can go on" '.code == "cursor_expired" and .epoch == "e2" and .oldest == 8'
expect 200 GET "$base/events"
head -n 2 <<<"$body" | cut -c 1-150

title "Reading costs the log nothing: deleting the host ends its readers"
follow "$work/fourth" "$base/events?follow=true&after=latest"
expect 200 -c . DELETE "$base"
await_end
same "the last word" "$(jq -s -r 'last | "\(.type) \(.reason)"' "$work/fourth")" 'bye deleted'
