#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the SMMUv3 driver of a guest's kernel does, played over HTTP.

Part A is a driver on the bare hardware (`arm-smmuv3-bare`: no driver of the server's runs it): it
finds out what the SMMU can do, brings it up, attaches a device, maps, invalidates, takes a fault
and an error, and shuts down. Part B is the same driver in a VM: its tables are in the guest's
memory, and its commands trap to a VMM, which is in this script too and keeps iommufd in step. In
part C the VM has a CMDQV, so that invalidations go by queues of the guest and trap no more.

The accesses are those of Linux's arm-smmu-v3 and tegra241-cmdqv, in their order; the numbers are
IHI 0070's. Every step is checked. Requests are in machine.py, tables in guest_tables.py, the CMDQV
in guest_cmdqv.py; Python's standard library is all that is needed:

    VIOMMUD_URL=http://127.0.0.1:8137 python3 examples/guest_driver.py
"""

import json
import struct

from guest_cmdqv import CMDQV, Aperture, move_page, survive_errors, use_ats
from guest_tables import PageTable, Stream
from machine import (
    CFGI_CD, CFGI_STE, CFGI_STE_RANGE, IOVA, ONE_PAGE, PAGE, PREFETCH_CONFIG, SYNC,
    TLBI_EL2_ALL, TLBI_NH_ASID, TLBI_NH_VA, TLBI_NSNH_ALL, Machine, Memory, Refused, command, ok,
)  # fmt: skip

STREAM, VIRTUAL_STREAM = 0x142, 0x10  # the device's, and what the guests know it by


# The driver, as far as it is the same on hardware and in a VM.


def map_and_access(machine, memory, table):
    page = memory.allocate(PAGE)
    table.map(IOVA, page)
    answer = machine.dma(IOVA + 0x10, b"by the device")
    ok("a page is mapped, which takes no command; the device writes", answer["outcome"] == "done")
    ok("the bytes are in the page", memory.read(page + 0x10, 13) == b"by the device", hex(page))
    return page


def unmap_and_forget(machine, table, queue):
    """An unmap without its invalidation, and what the emulator has to say about it."""
    table.unmap(IOVA)
    answer = machine.dma(IOVA + 0x10)
    ok("unmapped without a command, the device still reads", answer["outcome"] == "done")
    stale = answer["stale"]
    ok("by a stale entry of the TLB", stale["cache"] == "tlb", f"since event {stale['since']}")
    missing = stale["missing"]
    fields = {name: value for name, value in missing["fields"].items() if value != "0x0"}
    ok("missing is a command", missing["name"] == "TLBI_NH_VA", f"TLBI_NH_VA {fields}")
    queue.submit([int(word, 16) for word in missing["words"]])
    answer = machine.dma(IOVA)
    ok("with just that sent it aborts", (answer["outcome"], answer["stale"]) == ("aborted", None))


def unmap(machine, table, queue, asid, page):
    table.map(IOVA, page)
    ok("mapped again, the device reads", machine.dma(IOVA)["outcome"] == "done")
    table.unmap(IOVA)
    queue.submit(command(TLBI_NH_VA, asid=asid, dw1=IOVA | ONE_PAGE))
    answer = machine.dma(IOVA)
    ok("unmapped with TLBI_NH_VA", (answer["outcome"], answer["stale"]) == ("aborted", None))


def check_fault(machine, records, stream):
    """The last record of an event queue is that of the read which has just aborted."""
    body = json.dumps({"words": [hex(word) for word in records[-1]]}).encode()
    event = json.loads(machine.raw("POST", "/v1/decode/event", body))
    found = event["name"], event["stream_id"], event["address"], event["read"]
    shown = f"{event['name']} at {event['address']}, stream {event['stream_id']:#x}"
    ok("the event queue has it", found == ("F_TRANSLATION", stream, hex(IOVA), True), shown)


# Part A: the hardware.


class Registers:
    """The SMMU's registers. The event and the PRI queue have their indices in page 1."""

    OFFSETS = {
        "IDR0": 0x00, "IDR1": 0x04, "IDR3": 0x0C, "IDR5": 0x14, "CR0": 0x20, "CR0ACK": 0x24,
        "CR1": 0x28, "CR2": 0x2C, "GBPA": 0x44, "IRQ_CTRL": 0x50, "IRQ_CTRLACK": 0x54,
        "GERROR": 0x60, "GERRORN": 0x64, "GERROR_IRQ": 0x68, "EVENTQ_IRQ": 0xB0, "PRIQ_IRQ": 0xD0,
        "STRTAB_BASE": 0x80, "STRTAB_BASE_CFG": 0x88, "CMDQ_BASE": 0x90, "CMDQ_PROD": 0x98,
        "CMDQ_CONS": 0x9C, "EVENTQ_BASE": 0xA0, "EVENTQ_PROD": 0x100A8, "EVENTQ_CONS": 0x100AC,
        "PRIQ_BASE": 0xC0, "PRIQ_PROD": 0x100C8, "PRIQ_CONS": 0x100CC,
    }  # fmt: skip

    def __init__(self, machine):
        self.machine = machine

    def read(self, name):
        path = f"/smmus/smmu0/mmio/{self.OFFSETS[name]:#x}"
        return int(self.machine.send("GET", path)["value"], 16)

    def write(self, name, value, offset=0):
        width = 64 if name.endswith(("_BASE", "_IRQ")) and not offset else 32
        path = f"/smmus/smmu0/mmio/{self.OFFSETS[name] + offset:#x}?width={width}"
        self.machine.send("PUT", path, value=hex(value))

    def control(self, name, value):
        """A driver polls for a second; the emulator has done everything when it answers."""
        self.write(name, value)
        if self.read(f"{name}ACK") != value:
            raise SystemExit(f"{name} is not acknowledged")

    def set_up_queue(self, name, base, log2, cr0):
        self.write(f"{name}_BASE", 1 << 62 | base | log2)
        self.write(f"{name}_PROD", 0)
        self.write(f"{name}_CONS", 0)
        self.control("CR0", cr0)

    def set_up_message(self, name, address, data):
        """Where an interrupt's message is written, what, and with which attributes."""
        for offset, value in ((0, address), (8, data), (12, 1)):
            self.write(name, value, offset)


class CommandQueue:
    """Commands in memory, from CONS to PROD; an index has its wrap in bit LOG2."""

    LOG2, CERROR_ILL = 7, 1

    def __init__(self, registers, memory):
        self.registers, self.memory, self.prod = registers, memory, 0
        self.base = memory.allocate(16 << self.LOG2)

    def slot(self, index):
        return self.base + 16 * (index % (1 << self.LOG2))

    def post(self, *commands):
        """Writes commands behind the last one, and says how far the SMMU may go."""
        for words in commands:
            self.memory.write_words(self.slot(self.prod), *words)
            self.prod = (self.prod + 1) % (2 << self.LOG2)
        self.registers.write("CMDQ_PROD", self.prod)

    def submit(self, *commands):
        """Posts commands and a SYNC, whose message overwrites the SYNC's own first word with 0."""
        slot = self.slot(self.prod + len(commands))
        self.post(*commands, (0x0FC0_1046, slot))
        if self.memory.words(slot)[0] & 0xFFFF_FFFF:
            raise SystemExit("a SYNC is not done")

    def recover(self):
        """What GERROR's handler does about the queue: a SYNC takes the illegal command's place."""
        cons = self.registers.read("CMDQ_CONS")
        if cons >> 24 & 0x7F == self.CERROR_ILL:
            self.memory.write_words(self.slot(cons & 0xFFFFF), 0x0FC0_2046, 0)
        self.registers.write("GERRORN", self.registers.read("GERROR"))


class EventQueue:
    LOG2 = 7

    def __init__(self, registers, memory):
        self.registers, self.memory, self.cons = registers, memory, 0
        self.base = memory.allocate(32 << self.LOG2)

    def take(self):
        """Takes all records out; each one's place is free as soon as it is read."""
        records = []
        while (self.registers.read("EVENTQ_PROD") ^ self.cons) & (2 << self.LOG2) - 1:
            place = self.base + 32 * (self.cons % (1 << self.LOG2))
            records.append(self.memory.words(place, 4))
            self.cons = (self.cons + 1) % (2 << self.LOG2)
            self.registers.write("EVENTQ_CONS", self.cons)
        return records


class Driver:
    """Finds an SMMU, brings it up, and keeps its stream table."""

    def __init__(self, machine, memory):
        self.memory, self.registers = memory, Registers(machine)
        self.commands = CommandQueue(self.registers, memory)
        self.events = EventQueue(self.registers, memory)
        self.doorbell = memory.allocate(PAGE)

    def probe(self):
        """arm_smmu_device_hw_probe, as far as this driver cares."""
        idr0, idr1, idr3, idr5 = (self.registers.read(f"IDR{number}") for number in (0, 1, 3, 5))
        ok("both stages, AArch64 tables, coherent", idr0 & 0x1B == 0x1B, f"IDR0 {idr0:#x}")
        ok("ATS, 16-bit ASIDs, messages, PRI", idr0 & 0x13400 == 0x13400)
        self.stream_bits = idr1 & 0x3F
        ok("a stream table of two levels", idr0 >> 27 & 3 == 1, f"{self.stream_bits}-bit streams")
        ok("queues of 128 entries and more", idr1 >> 21 & 31 >= 7 and idr1 >> 16 & 31 >= 7)
        ok("invalidation by range", idr3 >> 10 & 1 == 1)
        ok("4 KiB pages, 48-bit addresses", idr5 & 0x17 == 0x15, f"IDR5 {idr5:#x}")

    def bring_up(self):
        """arm_smmu_device_reset"""
        registers = self.registers
        # Traffic that comes while the SMMU is off is aborted: GBPA's ABORT, by UPDATE.
        registers.write("GBPA", registers.read("GBPA") | 1 << 31 | 1 << 20)
        ok("GBPA is updated", registers.read("GBPA") >> 20 == 1)
        registers.control("CR0", 0)
        registers.write("CR1", 0xD75)  # tables and queues: write-back, inner shareable
        registers.write("CR2", 0x6)  # PTM, RECINVSID
        self.table = self.memory.allocate(8 << self.stream_bits - 8)
        registers.write("STRTAB_BASE", 1 << 62 | self.table)
        registers.write("STRTAB_BASE_CFG", 1 << 16 | 8 << 6 | self.stream_bits)
        registers.set_up_queue("CMDQ", self.commands.base, CommandQueue.LOG2, 0x8)
        self.commands.submit((CFGI_STE_RANGE, 0x1F))  # which is CFGI_ALL
        self.commands.submit((TLBI_NSNH_ALL, 0))
        registers.set_up_queue("EVENTQ", self.events.base, EventQueue.LOG2, 0xC)
        registers.set_up_queue("PRIQ", self.memory.allocate(PAGE), 8, 0xE)
        registers.control("CR0", 0x1E)  # ATSCHK
        registers.control("IRQ_CTRL", 0)
        for number, name in enumerate(("GERROR_IRQ", "EVENTQ_IRQ", "PRIQ_IRQ")):
            registers.set_up_message(name, self.doorbell + 4 * number, 0x100 + number)
        registers.control("IRQ_CTRL", 7)
        registers.control("CR0", 0x1F)  # SMMUEN
        ok("queues, interrupts and SMMUEN are on, each acknowledged", True)

    def has_rung(self, number):
        """Whether an interrupt's message has come: 0 of GERROR, 1 of the event queue."""
        place = self.doorbell + 4 * number
        message = int.from_bytes(self.memory.read(place, 4), "little")
        self.memory.write(place, bytes(4))
        return message == 0x100 + number

    def entry(self, stream):
        """Where a stream's entry is. The first of 256 streams brings their table with it, whose
        entries all abort; what the SMMU has never seen needs no command."""
        place = self.table + 8 * (stream >> 8)
        (descriptor,) = self.memory.words(place)
        if not descriptor:
            entries = self.memory.allocate(256 * 64, 256 * 64)
            self.memory.write(entries, struct.pack("<8Q", Stream.ABORT, *[0] * 7) * 256)
            descriptor = entries | 9  # SPAN
            self.memory.write_words(place, descriptor)
        return (descriptor & ~0x3F) + 64 * (stream & 0xFF)

    def survive_an_illegal_command(self):
        registers, commands, place = self.registers, self.commands, self.commands.prod
        commands.post((0x7F, 0), command(TLBI_NH_ASID, asid=1))
        active = registers.read("GERROR") ^ registers.read("GERRORN")
        ok("0x7f is no opcode: GERROR.CMDQ, and its interrupt", active == 1 and self.has_rung(0))
        cons = registers.read("CMDQ_CONS")
        ok("the queue stands there with CERROR_ILL", cons == 1 << 24 | place, f"CONS {cons:#x}")
        commands.recover()
        cons = registers.read("CMDQ_CONS") & 0xFFFFF
        ok("overwritten by a SYNC, and acknowledged: all is done", cons == commands.prod)


def on_bare_hardware():
    base = 0x8000_0000  # what the processor calls an address is where it is
    with Machine(STREAM, driver="arm-smmuv3-bare") as machine:
        memory = Memory(machine, base, 0x100_0000, physical=hex(base))
        driver = Driver(machine, memory)
        commands, events = driver.commands, driver.events

        print("\nA1. Probe and bring up")
        ok("out of reset all goes through", machine.dma(base)["outcome"] == "done")
        driver.probe()
        driver.bring_up()
        event = machine.dma(base)["event"]
        ok("a stream that has no table is an event", event["name"] == "C_BAD_STREAMID")
        ok("its interrupt comes", driver.has_rung(1) and len(events.take()) == 1)

        print("\nA2. Attach, map, unmap")
        stream = Stream(memory, commands, STREAM, driver.entry(STREAM), asid=1)
        table = PageTable(memory)
        stream.attach(table)
        page = map_and_access(machine, memory, table)
        unmap_and_forget(machine, table, commands)
        events.take()
        unmap(machine, table, commands, stream.asid, page)
        check_fault(machine, events.take(), STREAM)

        print("\nA3. An error of the command queue")
        driver.survive_an_illegal_command()

        print("\nA4. Detach and shut down")
        stream.detach()
        answer = machine.dma(IOVA)
        ok("detached, the device aborts", answer["outcome"] == "aborted")
        ok("which is no event", events.take() == [] and answer["event"] is None)
        driver.registers.control("CR0", 0)
        ok("off, all aborts, as GBPA says", machine.dma(base)["outcome"] == "aborted")
        uses = machine.log("smmu.stale_translation_used")
        ok("in the log is one use of a stale translation", len(uses) == 1)


# Part B: a VM.


class VMM:
    """The host's side of a vIOMMU: has iommufd do what the guest wants of its SMMU."""

    def __init__(self, machine, memory, kind="arm-smmuv3"):
        self.send, self.memory, self.current, self.number = machine.send, memory, None, 0
        self.traps = 0
        self.send("PUT", "/domains/s2", type="paging", device="nic0", ioas="ram", nest_parent=True)
        self.send("PUT", "/viommus/v0", type=kind, device="nic0", domain="s2")
        self.send("PUT", "/veventqs/events", viommu="v0", type="arm-smmuv3", depth=64)
        # What the guest's SMMU does with all streams while it is off, by its GBPA.
        self.make("bypass", 1 | 4 << 1, 0)
        self.make("abort", 1, 0)
        self.replace("bypass")

    def make(self, name, dw0, dw1):
        """A nested domain of an STE. Bits that are the host's are masked; else it is EIO."""
        ste = [hex(dw0 & 0xF80F_FFFF_FFFF_FFFF), hex(dw1 & 0x3800_00FF)]
        self.send("PUT", f"/domains/{name}", type="nested", device="nic0", viommu="v0", ste=ste)

    def replace(self, name):
        """One step for the device; the domain before is not needed any more."""
        self.send("PUT", "/devices/nic0/attachment", domain=name)
        if self.current not in (None, "bypass", "abort"):
            self.send("DELETE", f"/domains/{self.current}")
        self.current = name

    def post(self, *commands):
        """The guest has moved PROD, which traps. A CFGI_STE is a new nested domain; SYNC and
        PREFETCH_CONFIG are nothing; all else is the hardware's to carry out."""
        self.traps += 1
        batch = []
        for words in commands:
            opcode, stream = words[0] & 0xFF, words[0] >> 32
            if opcode in (CFGI_STE, CFGI_CD):  # the hardware has to know whom the guest means
                self.send("PUT", "/vdevs/vd0", viommu="v0", device="nic0", virt_id=hex(stream))
            if opcode == CFGI_STE:
                self.number += 1
                self.make(f"guest-{self.number}", *self.memory.words(self.table + 64 * stream, 2))
                self.replace(f"guest-{self.number}")
            elif opcode not in (SYNC, PREFETCH_CONFIG):
                batch.append([hex(word) for word in words])
        if batch:
            self.send("POST", "/viommus/v0/invalidate", commands=batch)

    submit = post  # what a SYNC waits for is done when the server answers

    def take(self):
        """What goes into the guest's event queue: records under its own stream IDs."""
        items = self.send("GET", "/veventqs/events/events")["items"]
        return [[int(word, 16) for word in item["data"]] for item in items]

    def tear_down(self):
        self.replace("s2")
        self.send("DELETE", "/viommus/v0?cascade=true")


def check_host(machine, memory, vmm, table):
    vmid = machine.send("GET", "/domains/s2")["hardware"]["vmid"]
    sent = [trace["fields"] for trace in machine.log("smmu.command") if "asid" in trace["fields"]]
    ok("the guest's commands bear its VMID", int(sent[-1]["vmid"], 16) == vmid, f"VMID {vmid}")
    table.map(IOVA, memory.free + 0x1000_0000)
    event = machine.dma(IOVA)["event"]
    ok("past the guest's memory stage 2 has a fault", event["stage2"], event["name"])
    ok("which is not for the guest", vmm.take() == [])
    try:
        vmm.submit(command(TLBI_NH_ASID, asid=5), (TLBI_EL2_ALL, 0))
        ok("TLBI_EL2_ALL is refused", False)
    except Refused as refused:
        (problem,) = refused.args
        ok("TLBI_EL2_ALL is refused", problem["errno"] == "EIO", problem["detail"])
        ok("the guest's CONS is to stand there", problem["handled"] == 1)


def in_a_vm():
    base = 0x4000_0000  # where the guest has its memory; the host knows where that is
    with Machine(STREAM, cmdqv=None, features={"trace": True}) as machine:
        memory = Memory(machine, base, 0x40_0000)

        print("\nB1. A VM before its driver")
        vmm = VMM(machine, memory)
        physical = machine.dma(base)["translation"]["physical"]
        ok("stage 2 alone", physical != hex(base), f"{base:#x} is {physical}")
        vmm.replace("abort")
        ok("GBPA.ABORT is another domain", machine.dma(base)["outcome"] == "aborted")

        print("\nB2. The same driver in the guest")
        vmm.table = memory.allocate(64 * 32)
        ste = vmm.table + 64 * VIRTUAL_STREAM
        memory.write_words(ste, Stream.ABORT)
        table = PageTable(memory)
        stream = Stream(memory, vmm, VIRTUAL_STREAM, ste, asid=5)
        stream.attach(table)
        hardware = machine.send("GET", "/devices/nic0")["hardware"]
        dw0 = hardware["ste"][0]
        ok("the hardware's entry has both stages", int(dw0, 16) & 0xF == 0xF, f"dw0 {dw0}")
        ok("the stream is the guest's", hardware["virtual_stream_id"] == hex(VIRTUAL_STREAM))
        page = map_and_access(machine, memory, table)
        unmap_and_forget(machine, table, vmm)
        vmm.take()
        unmap(machine, table, vmm, stream.asid, page)
        check_fault(machine, vmm.take(), VIRTUAL_STREAM)

        print("\nB3. What the host makes of it")
        check_host(machine, memory, vmm, table)

        print("\nB4. Detach and tear down")
        stream.detach()
        ok("detached, the device aborts", machine.dma(IOVA)["outcome"] == "aborted")
        vmm.tear_down()
        ok("what is left is stage 2", machine.dma(base)["translation"]["physical"] == physical)


# Part C: a VM with a CMDQV.


def in_a_vm_with_a_cmdqv():
    with Machine(STREAM, device={"ats": True}) as machine:
        memory = Memory(machine, 0x4000_0000, 0x40_0000)
        vmm = VMM(machine, memory, "tegra241-cmdqv")
        machine.send("PUT", "/veventqs/errors", viommu="v0", type="tegra241-cmdqv", depth=8)
        vmm.replace("abort")
        aperture = Aperture(machine)

        print("\nC1. The guest finds a CMDQV, and takes its interface")
        driver = CMDQV(aperture, memory, vmm)
        driver.probe()
        driver.reset()
        rings = [int(queue["iova"], 16) for queue in machine.send("GET", "/hw-queues")["items"]]
        ok("to iommufd they are hw-queues", rings == [queue.base for queue in driver.queues])

        print("\nC2. Attach: the main queue traps, and the device gets a SID slot")
        vmm.table = memory.allocate(64 * 32)
        ste = vmm.table + 64 * VIRTUAL_STREAM
        memory.write_words(ste, Stream.ABORT)
        table = PageTable(memory)
        stream = Stream(memory, driver, VIRTUAL_STREAM, ste, asid=5)
        stream.attach(table)
        (slot,) = machine.send("GET", "/viommus/v0")["registers"]["sid_slots"]
        shown = f"{slot['virtual_stream_id']} is {slot['stream_id']}"
        ok("it matches and replaces", shown == f"{VIRTUAL_STREAM:#x} is {STREAM:#x}", shown)

        print("\nC3. A page moves, and the device is told by a queue of the guest")
        move_page(machine, vmm, memory, table, stream)

        print("\nC4. The same with ATS, where the device has a copy of its own")
        stream.detach()
        stream = Stream(memory, driver, VIRTUAL_STREAM, ste, asid=6, ats=True)
        stream.attach(table)
        use_ats(machine, memory, table, stream)

        print("\nC5. Errors of a queue")
        survive_errors(machine, aperture, stream)

        print("\nC6. Detach and shut down")
        stream.detach()
        ok("detached, the device aborts", machine.dma(IOVA)["outcome"] == "aborted")
        driver.disable_interface()
        ok("the hw-queues are gone", machine.send("GET", "/hw-queues")["items"] == [])
        ran = sum(event["commands"] for event in machine.log("hw-queue.ran"))
        ok("they have run commands", ran == driver.sent, f"{ran}, and the VMM has seen none")
        vmm.tear_down()


if __name__ == "__main__":
    on_bare_hardware()
    in_a_vm()
    in_a_vm_with_a_cmdqv()
    print("\nguest_driver.py: every step was as expected")
