#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace weir::conf {

/// How long the ledger keeps what. Zero = until there is no room.
struct Retention {
    std::chrono::milliseconds statements{};
    std::chrono::milliseconds hourly{};
    std::chrono::milliseconds events{};

    bool operator==(const Retention&) const = default;
};

/// What is remembered: [ledger]. Plain values. Thread: any (read only).
struct LedgerSettings {
    std::string path;        ///< "" = off, ":memory:" = until the process ends
    double sample_rate = 0;  ///< 0..1, of the statements that are neither slow nor failed
    Retention retention;
    std::uint64_t max_size = 0;  ///< bytes of the file; 0 = no limit

    bool operator==(const LedgerSettings&) const = default;
};

}  // namespace weir::conf
