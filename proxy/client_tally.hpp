#pragma once

#include <cstdint>

namespace weir::proxy {

/// What has passed between a client and us. Packed: every client has one, idle ones too.
struct [[gnu::packed]] ClientTally {
    static constexpr unsigned kBits = 48;
    static constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;

    std::uint64_t bytes_in : kBits = 0;      ///< of its requests
    std::uint64_t bytes_out : kBits = 0;     ///< of the answers
    std::uint64_t statements : kBits = 0;    ///< as the ledger counts them
    std::uint64_t transactions : kBits = 0;  ///< that have ended
    std::uint32_t errors = 0;                ///< that ended statements

    void add_in(std::uint64_t bytes) { bytes_in = (bytes_in + bytes) & kMask; }

    void add_out(std::uint64_t bytes) { bytes_out = (bytes_out + bytes) & kMask; }

    void add_transaction() { transactions = (transactions + 1) & kMask; }

    void add_statement(bool has_failed) {
        statements = (statements + 1) & kMask;
        errors += has_failed ? 1U : 0U;
    }
};

}  // namespace weir::proxy
