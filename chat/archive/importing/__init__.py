"""Bringing conversations in from files that other programs, or this one, have exported.

    reading    the file, as it lies in the database → one conversation after the other, as bytes
    SOURCES    which program it is from; each is a module that makes a `Foreign` of what its export says
    storing    a `Foreign` → Conversation and Messages, in short transactions
    work       one import from its file to its end, in steps that somebody else runs

An import can stop anywhere and goes on where it stood; the same file twice makes nothing twice.
"""
