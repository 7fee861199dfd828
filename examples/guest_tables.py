# SPDX-License-Identifier: Apache-2.0
"""The tables that the driver of guest_driver.py writes, on hardware and in a VM alike."""

from machine import CFGI_CD, CFGI_STE, LEAF, PAGE, PREFETCH_CONFIG, TLBI_NH_ASID, command


class PageTable:
    """Translation tables of four levels, 4 KiB pages and 48 bits of address (T0SZ 16)."""

    # nG, AF, inner shareable, the device may read and write, MAIR's attribute 1, a page.
    PAGE_BITS = 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6 | 1 << 2 | 3

    def __init__(self, memory):
        self.memory, self.root = memory, memory.allocate(PAGE)

    def entry(self, iova):
        """Where the entry of a page is; tables on the way to it are made."""
        table = self.root
        for shift in (39, 30, 21):
            place = table + 8 * (iova >> shift & 511)
            (descriptor,) = self.memory.words(place)
            if not descriptor & 1:
                descriptor = self.memory.allocate(PAGE) | 3
                self.memory.write_words(place, descriptor)
            table = descriptor & 0xFFFF_FFFF_F000
        return table + 8 * (iova >> 12 & 511)

    def map(self, iova, address):
        """What was not mapped is in no cache, so that no command is needed."""
        self.memory.write_words(self.entry(iova), address | self.PAGE_BITS)

    def unmap(self, iova):
        self.memory.write_words(self.entry(iova), 0)


class Stream:
    """A stream table entry (STE) and the context descriptor (CD) that it leads to."""

    ABORT, STAGE1 = 1, 1 | 5 << 1  # dw0 of an STE: V, and Config 0 or 5
    STE_DW1 = 1 << 27 | 0xD6  # S1STALLD; CD table write-back and shareable; S1DSS 2
    # ASET, A, R (a fault aborts, and is recorded), AA64, IPS 48 bits, V, EPD1, write-back, T0SZ.
    CD_DW0 = 7 << 45 | 1 << 41 | 5 << 32 | 3 << 30 | 3 << 12 | 1 << 10 | 1 << 8 | 16
    MAIR = 0xF404FF44

    def __init__(self, memory, queue, number, ste, asid, ats=False):
        self.memory, self.queue, self.number, self.asid = memory, queue, number, asid
        self.dw1 = self.STE_DW1 | ats << 28  # EATS
        self.places = {CFGI_STE: ste, CFGI_CD: memory.allocate(64, 64)}

    def set(self, cfgi, word, *values):
        """Writes words of one of the two, and has the SMMU forget what it knows of it."""
        self.memory.write_words(self.places[cfgi] + 8 * word, *values)
        self.queue.submit(command(cfgi, self.number, dw1=LEAF))

    def attach(self, table):
        """CD first, then STE; each becomes valid with dw0, which is written last."""
        self.set(CFGI_CD, 1, table.root, 0, self.MAIR)
        self.set(CFGI_CD, 0, self.asid << 48 | self.CD_DW0)
        self.set(CFGI_STE, 1, self.dw1, 0)
        self.set(CFGI_STE, 0, self.places[CFGI_CD] | self.STAGE1)
        self.queue.post(command(PREFETCH_CONFIG, self.number))

    def detach(self):
        """The way back: abort, forget what the ASID tagged, clear the CD."""
        self.set(CFGI_STE, 0, self.ABORT)
        self.set(CFGI_STE, 1, 0, 0)
        self.queue.post(command(PREFETCH_CONFIG, self.number))
        self.queue.submit(command(TLBI_NH_ASID, asid=self.asid))
        self.set(CFGI_CD, 0, 0)
        self.set(CFGI_CD, 1, 0, 0, 0)
