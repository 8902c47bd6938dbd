#pragma once

#include "base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace weir::cache {

/// A table as PostgreSQL's catalog numbers it; kWholeDatabase stands for all of a database's.
using TableId = std::uint32_t;
/// No table has it: PostgreSQL's InvalidOid.
inline constexpr TableId kWholeDatabase = 0;
/// The catalog itself: who is told of it reads it anew. PostgreSQL counts oids to here, and has
/// none for anything by then.
inline constexpr TableId kSchema = 0xFFFF'FFFF;

struct TableVersion {
    TableId table = kWholeDatabase;
    std::uint64_t version = 0;

    bool operator==(const TableVersion&) const = default;
};

/// The versions of the tables that a result reads, as they were before its statement was sent.
struct SharedVersions {
    /// Of the record the versions were counted in: another one has counted from the start.
    std::uint64_t epoch = 0;
    std::vector<TableVersion> tables;  ///< kWholeDatabase first, then those of the result, in order

    bool operator==(const SharedVersions&) const = default;
};

/// A result with what must be known to use it again.
struct StoredResult {
    std::uint64_t rows = 0;
    std::uint64_t server_us = 0;      ///< what it took to compute
    std::int64_t stored_at_ms = 0;    ///< the wall clock, since 1970
    std::int64_t fresh_until_ms = 0;  ///< the same clock
    ByteView reply;                   ///< messages of PostgreSQL's protocol
};

/// What lies under a key in Redis, taken apart.
struct StoredValue {
    SharedVersions versions;
    StoredResult result;
};

/// The bytes that lie in Redis: a checksum over all that follows, magic, format, flags, the full
/// key of the cache, versions, measures and the reply.
///
/// @param key the cache's whole key: Redis knows a value by its hash only
[[nodiscard]] std::vector<std::byte> encode_stored_value(ByteView key,
                                                         const SharedVersions& versions,
                                                         const StoredResult& result);

/// Takes apart what was found under the hash of `key`.
///
/// @param bytes anything: Redis is shared, and others may write there
/// @return nothing for what encode_stored_value() did not make of this very key, or what has
/// changed since
/// @valid the reply points into `bytes`
/// @thread any
[[nodiscard]] std::optional<StoredValue> decode_stored_value(ByteView bytes, ByteView key);

}  // namespace weir::cache
