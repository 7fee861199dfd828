# SPDX-License-Identifier: Apache-2.0
"""Both sides of a guest's CMDQV, for part C of guest_driver.py.

A guest's CMDQV has one virtual interface (VINTF), number 0, as if it were its kernel's own. Page 0
of that is a page of the hardware, which the guest has mapped: what it does there, its VMM does not
hear of. All other pages trap: `Aperture` is how a VMM answers, with hw-queues of iommufd behind it.
`CMDQV` is the guest's driver, with the accesses of Linux's tegra241-cmdqv, in its order.
"""

from machine import (
    ALL_PAGES, ATC_INV, CFGI_STE_RANGE, IOVA, ONE_PAGE, PAGE, SYNC, TLBI_NH_ASID, TLBI_NH_VA,
    command, ok,
)  # fmt: skip

ENABLE, ALLOCATED, HYPERVISOR_OWNED = 1, 1, 1 << 17
# The configuration page, as far as one interface and two queues go.
CONFIG, PARAM, STATUS, VI_ERR_MAP, CMDQ_ERR_MAP, CMDQ_ALLOC = 0x0, 0x4, 0x8, 0x14, 0x24, 0x200
VINTF_CONFIG, VINTF_STATUS = 0x1000, 0x1004
SID_MATCH, SID_REPLACE, LVCMDQ_ERR_MAP = 0x1040, 0x1080, 0x10C0
PAGE0, PAGE1, STRIDE = 0x3_0000, 0x4_0000, 0x80  # of the interface; a queue's part of each
# Registers of a queue: in page 0, and in page 1.
Q_CONS, Q_PROD, Q_CONFIG, Q_STATUS, Q_GERROR, Q_GERRORN = 0x0, 0x4, 0x8, 0xC, 0x10, 0x14
Q_BASE, Q_CONS_BASE = PAGE1 - PAGE0, PAGE1 - PAGE0 + 8


class Aperture:
    """The VMM's side. A queue of the guest is made a hw-queue when its address is known, it is
    allocated, and both the CMDQV and the interface are on, in whatever order that comes about."""

    def __init__(self, machine):
        self.send, self.queues, self.registers = machine.send, [], {}
        # As many queues and slots as an interface of the hardware has.
        size = machine.send("GET", "/smmus/smmu0")["cmdqv"]
        self.count = size["vcmdqs"] // size["vintfs"]
        logarithms = (self.count.bit_length() - 1, 0, size["sids_per_vintf"].bit_length() - 1)
        self.registers[PARAM] = 1 | sum(log << 4 + 4 * at for at, log in enumerate(logarithms))

    def read(self, offset):
        if PAGE0 <= offset < PAGE1:  # no trap: the CPU reads the hardware
            path = f"/viommus/v0/mmio/{offset - PAGE0:#x}"
            return int(self.send("GET", path)["value"], 16)
        return self.registers.get(offset, 0)

    def write(self, offset, value):
        if PAGE0 <= offset < PAGE1:
            path = f"/viommus/v0/mmio/{offset - PAGE0:#x}"
            self.send("PUT", path, value=hex(value))
            return
        if offset == VINTF_CONFIG:
            value &= ~HYPERVISOR_OWNED  # a guest is no hypervisor
        self.registers[offset] = value
        self.registers[STATUS] = self.registers.get(CONFIG, 0) & ENABLE
        self.registers[VINTF_STATUS] = self.registers.get(VINTF_CONFIG, 0) & ENABLE
        self.settle()

    def ring(self, logical):
        """The address and the size that a queue is to have; None if it is not to be."""
        base = self.read(PAGE0 + STRIDE * logical + Q_BASE)
        is_on = self.registers[STATUS] and self.registers[VINTF_STATUS]
        is_allocated = self.read(CMDQ_ALLOC + 4 * logical) & ALLOCATED
        if not (base and is_on and is_allocated):
            return None
        return base & 0xFFFF_FFFF_FFE0, 16 << (base & 31)

    def settle(self):
        """Queues come in ascending order, and go in descending order."""
        wanted = 0
        while wanted < self.count and self.ring(wanted):
            wanted += 1
        while len(self.queues) > wanted:
            self.send("DELETE", f"/hw-queues/{self.queues.pop()}")
        while len(self.queues) < wanted:
            index = len(self.queues)
            iova, length = self.ring(index)
            kind = {"viommu": "v0", "type": "tegra241-cmdqv", "index": index}
            self.send("PUT", f"/hw-queues/lvcmdq{index}", iova=hex(iova), length=length, **kind)
            self.queues.append(f"lvcmdq{index}")

    def pass_errors_on(self):
        """The veventq's records become the guest's maps; each is an interrupt of the guest."""
        items = self.send("GET", "/veventqs/errors/events")["items"]
        for item in items:
            for place, word in enumerate(item["data"]):
                self.registers[LVCMDQ_ERR_MAP + 8 * place] = int(word, 16)
            self.registers[CMDQ_ERR_MAP] = int(item["data"][0], 16)
            self.registers[VI_ERR_MAP] = 1
        return len(items)


class LogicalQueue:
    """A queue of the guest's interface. Its ring is in the guest's memory, and its PROD, CONS and
    errors are in page 0, so that using it never traps."""

    LOG2 = 8

    def __init__(self, aperture, memory, main, logical):
        self.aperture, self.memory, self.main, self.prod = aperture, memory, main, 0
        self.place = PAGE0 + STRIDE * logical
        self.base = memory.allocate(16 << self.LOG2)

    def read(self, register):
        return self.aperture.read(self.place + register)

    def write(self, register, value):
        self.aperture.write(self.place + register, value)

    def enable(self, value):
        self.write(Q_CONFIG, value)
        if self.read(Q_STATUS) != value:
            raise SystemExit(f"a queue's EN_OK is not {value}")

    def deinit(self):
        """tegra241_vcmdq_hw_deinit"""
        self.enable(0)
        # What an ATC_INV still waits for ends here: a SYNC on the main queue, and the usual one.
        self.main.submit((SYNC, 0))
        for register in (Q_PROD, Q_CONS, Q_BASE, Q_CONS_BASE):
            self.write(register, 0)
        gerrorn, gerror = self.read(Q_GERRORN), self.read(Q_GERROR)
        if gerrorn != gerror:
            self.write(Q_GERRORN, gerror)

    def init(self):
        """tegra241_vcmdq_hw_init"""
        self.deinit()
        self.prod = 0
        self.write(Q_BASE, self.base | self.LOG2)
        self.enable(ENABLE)

    def slot(self, index):
        return self.base + 16 * (index % (1 << self.LOG2))

    def post(self, *commands):
        for words in commands:
            self.memory.write_words(self.slot(self.prod), *words)
            self.prod = (self.prod + 1) % (2 << self.LOG2)
        self.write(Q_PROD, self.prod)

    def is_done(self):
        return self.read(Q_CONS) & 0xFFFFF == self.prod

    def submit(self, *commands):
        """No message and no event tell of the end of a SYNC here: CONS does."""
        self.post(*commands, CMDQV.SYNC)
        if not self.is_done():
            raise SystemExit("a SYNC is not done")

    def recover(self):
        """A SYNC takes the place of what cannot be carried out, and the error is acknowledged."""
        gerror, cons = self.read(Q_GERROR), self.read(Q_CONS)
        if cons >> 24 & 0x7F not in (0, 2, 3):
            self.memory.write_words(self.slot(cons & 0xFFFFF), *CMDQV.SYNC)
        self.write(Q_GERRORN, gerror)
        return cons


class CMDQV:
    """The guest's driver: brings the interface up, and chooses the queue for each command."""

    SYNC = (0x0FC0_0046, 0)
    # With HYP_OWN 0 an interface carries out these, and SYNC; all else is for the main queue.
    OWN = (TLBI_NH_ASID, TLBI_NH_VA, ATC_INV)

    def __init__(self, aperture, memory, main):
        self.read, self.write, self.main = aperture.read, aperture.write, main
        self.aperture, self.memory, self.queues = aperture, memory, []
        self.sent = 0

    def probe(self):
        """__tegra241_cmdqv_probe"""
        self.read(CONFIG)
        param = self.read(PARAM)
        vcmdqs, vintfs, self.slots = (1 << (param >> shift & 15) for shift in (4, 8, 12))
        shown = f"PARAM {param:#x}: {vcmdqs} queues, {vintfs} interface, {self.slots} SID slots"
        ok("a CMDQV is there, of version 1", param & 15 == 1 and vintfs == 1, shown)
        for logical in range(vcmdqs):
            queue = LogicalQueue(self.aperture, self.memory, self.main, logical)
            self.queues.append(queue)

    def control(self, register, status, value):
        self.write(register, value)
        if self.read(status) & ENABLE != value & ENABLE:
            raise SystemExit(f"{register:#x} has no effect")

    def reset(self):
        """tegra241_cmdqv_hw_reset"""
        config = self.read(CONFIG)
        self.control(CONFIG, STATUS, config & ~ENABLE)
        self.control(CONFIG, STATUS, config | ENABLE)
        for logical in range(len(self.queues)):
            self.write(CMDQ_ALLOC + 4 * logical, logical << 1)
        self.disable_interface()
        self.write(VINTF_CONFIG, HYPERVISOR_OWNED)
        self.control(VINTF_CONFIG, VINTF_STATUS, HYPERVISOR_OWNED | ENABLE)
        config = self.read(VINTF_CONFIG)
        ok("HYP_OWN does not stick: three commands are for own queues", config == ENABLE)
        for logical, queue in enumerate(self.queues):
            self.allocate(logical, ALLOCATED)
            queue.init()
        ok("both queues are on", all(queue.read(Q_STATUS) == ENABLE for queue in self.queues))

    def allocate(self, logical, value):
        register = CMDQ_ALLOC + 4 * logical
        self.write(register, self.read(register) & ~ALLOCATED | value)

    def disable_interface(self):
        """tegra241_vintf_hw_deinit, which is all of the CMDQV's shutdown too."""
        for logical, queue in reversed(list(enumerate(self.queues))):
            queue.deinit()
            self.allocate(logical, 0)
        self.control(VINTF_CONFIG, VINTF_STATUS, 0)
        for slot in range(self.slots):
            self.write(SID_MATCH + 4 * slot, 0)
            self.write(SID_REPLACE + 4 * slot, 0)

    def submit(self, *commands, cpu=0):
        """Each CPU has a queue, for the commands that can go there."""
        if all(words[0] & 0xFF in self.OWN for words in commands):
            self.queues[cpu % len(self.queues)].submit(*commands)
            self.sent += len(commands) + 1
        else:
            self.main.submit(*commands)

    def post(self, *commands):
        self.main.post(*commands)

    def handle_interrupt(self):
        """tegra241_cmdqv_isr; says which queues were at fault, and what their CONS was."""
        found = {}
        interfaces = self.read(VI_ERR_MAP) | self.read(VI_ERR_MAP + 4) << 32
        for word in range(4):
            self.read(CMDQ_ERR_MAP + 4 * word)  # for the kernel's log
        for word in range(2) if interfaces & 1 else ():
            errors = self.read(LVCMDQ_ERR_MAP + 8 * word)
            for logical, queue in enumerate(self.queues):
                if word == logical // 64 and errors >> logical % 64 & 1:
                    found[logical] = queue.recover()
        return found


# The steps of part C, on a stream that is attached.


def move_page(machine, vmm, memory, table, stream):
    """A page gets another address: the device before and after the invalidation."""
    driver, old, new = stream.queue, memory.allocate(PAGE), memory.allocate(PAGE)
    table.map(IOVA, old)
    machine.dma(IOVA, b"first")
    ok("mapped, which takes no command, the device writes", memory.read(old, 5) == b"first")
    table.unmap(IOVA)
    table.map(IOVA, new)
    stale = machine.dma(IOVA, b"second")["stale"]
    ok("the page has moved: the device writes to the old one", memory.read(old, 6) == b"second")
    missing = stale["missing"]["name"]
    shown = f"{missing} is missing"
    ok("which is stale", stale["cache"] == "tlb" and missing == "TLBI_NH_VA", shown)
    queue, traps, place = driver.queues[1], vmm.traps, driver.queues[1].prod
    driver.submit(command(TLBI_NH_VA, asid=stream.asid, dw1=IOVA | ONE_PAGE), cpu=1)
    shown = f"PROD and CONS {queue.prod}"
    ok("TLBI_NH_VA and SYNC in the ring of CPU 1, and its doorbell", queue.prod - place == 2, shown)
    ok("of which the VMM has not heard", vmm.traps == traps)
    stale = machine.dma(IOVA, b"third")["stale"]
    ok("the device writes to the new page", memory.read(new, 5) == b"third" and stale is None)


def use_ats(machine, memory, table, stream):
    """A device with ATS keeps translations in its ATC, which TLBI_NH_VA does not reach."""
    driver = stream.queue
    driver.submit(command(ATC_INV, stream.number, dw1=ALL_PAGES))  # and then it is enabled
    ok("the device reads", machine.dma(IOVA)["outcome"] == "done")
    table.unmap(IOVA)
    driver.submit(command(TLBI_NH_VA, asid=stream.asid, dw1=IOVA | ONE_PAGE))
    stale = machine.dma(IOVA)["stale"]
    ok("unmapped, with TLBI_NH_VA alone it still reads", stale["cache"] == "atc")
    driver.submit(command(ATC_INV, stream.number, dw1=IOVA))
    answer = machine.dma(IOVA)
    shown = f"of stream {stream.number:#x}"
    ok("with ATC_INV it does not", (answer["outcome"], answer["stale"]) == ("aborted", None), shown)
    table.map(IOVA, memory.allocate(PAGE))
    ok("mapped again, it reads", machine.dma(IOVA)["outcome"] == "done")
    table.unmap(IOVA)
    driver.submit(command(TLBI_NH_VA, asid=stream.asid, dw1=IOVA | ONE_PAGE), cpu=1)
    driver.submit(command(ATC_INV, stream.number, dw1=IOVA), cpu=1)
    ok("unmapped with both, it aborts", machine.dma(IOVA)["outcome"] == "aborted")


def survive_errors(machine, aperture, stream):
    """A command that its queue may not carry out, in front of a SYNC; and how that goes on."""
    driver = stream.queue
    bad, good = driver.queues
    stranger = command(ATC_INV, stream.number + 1, dw1=ALL_PAGES)
    forbidden = CFGI_STE_RANGE, 0x1F  # of the main queue, where it traps
    for claim, words, error in (
        ("a stream ID that is in no slot", stranger, 4), ("CFGI_STE_RANGE", forbidden, 1),
    ):  # fmt: skip
        place = bad.prod
        bad.post(words, CMDQV.SYNC)
        ok(f"{claim}: queue 0 stands still", not bad.is_done())
        driver.submit(command(TLBI_NH_ASID, asid=stream.asid), cpu=1)
        ok("queue 1 runs", good.is_done())
        ok("the VMM gets one vEVENT, and interrupts the guest", aperture.pass_errors_on() == 1)
        cons = driver.handle_interrupt()
        ok(f"error {error} at {place}", cons == {0: error << 24 | place}, f"CONS {cons[0]:#x}")
        ok("a SYNC in its place, and GERRORN: all is done", bad.is_done())
        driver.sent += 2
    reports = [event["lvcmdq_err_map"] for event in machine.log("smmu.cmdqv_error")]
    ok("the log has both errors", reports == [["0x1", "0x0"]] * 2)
