//! Region lists from files of other tools.
