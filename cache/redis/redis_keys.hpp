#pragma once

#include "base/bytes.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::cache {

/// What our keys and channels in Redis are called, all behind one prefix.
class RedisKeys {
public:
    explicit RedisKeys(std::string prefix) : prefix_{std::move(prefix)} {}

    /// A hash: "id" changes whenever Redis may have forgotten something, because it is empty or
    /// another process than "run"; "seq" counts messages.
    [[nodiscard]] std::string epoch() const { return prefix_ + "epoch"; }

    /// A database's hash: a table's id or "*" is its version, "w" and that who is writing to it,
    /// "!" a number of its own, "@" the id of the epoch that it holds in.
    [[nodiscard]] std::string versions(std::string_view database) const {
        return prefix_ + "v:" + std::string{database};
    }

    /// @return where the result of a key of the cache lies
    [[nodiscard]] std::string result(std::string_view database, ByteView key) const;

    /// The channel of all writes.
    [[nodiscard]] std::string invalidations() const { return prefix_ + "inv"; }

    /// The channel on which one instance hears its own heart.
    [[nodiscard]] std::string beats(std::string_view instance) const {
        return prefix_ + "beat:" + std::string{instance};
    }

private:
    std::string prefix_;
};

/// @return a number that no other epoch is likely to have, in decimal
[[nodiscard]] std::string new_epoch();

/// Tells a write: gives each table a new version, sets or clears its mark, and publishes the
/// message, all at once.
///
/// KEYS: versions, epoch. ARGV: a new number in case one is wanted, whose mark, for how many ms,
/// the channel, the message behind its sequence, then pairs of a table and what its mark becomes:
/// "+" (set), "-" (clear) or "." (leave). Returns the sequence.
[[nodiscard]] const std::string& write_script();

/// Keeps a result if nothing was written to its tables since its versions were asked for.
///
/// KEYS: versions, epoch, result. ARGV: the record's number, for how many ms, the value, the
/// channel, the database, then pairs of a table and its version. Returns 1 when it is kept, else 0.
/// A mark that has outlived its time counts as the end of that write.
[[nodiscard]] const std::string& store_script();

/// Makes a database's versions those of the epoch in force, if they are not.
///
/// KEYS: versions, epoch. ARGV: a new number.
[[nodiscard]] const std::string& open_script();

/// One beat of the heart; it is what finds that Redis has been started anew, perhaps with what an
/// old snapshot had: publishes "COUNT ID SEQUENCE".
///
/// KEYS: epoch. ARGV: a new epoch in case there is none, the channel, the count, the epoch that is
/// to begin or "".
[[nodiscard]] const std::string& beat_script();

}  // namespace weir::cache
