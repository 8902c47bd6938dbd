#pragma once

#include "ledger/connection.hpp"
#include "ledger/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace weir::ledger {

/// What a row of `name` names; the numbers are in the file.
enum class NameKind : std::uint8_t { Database = 1, User = 2, Application = 3, Member = 4 };

/// The numbers that stand for names, digests and patterns of errors in the file; adds what is new.
/// Remembers them while the file is open: forget() after a transaction was undone.
///
/// Thread: the writer's, within a transaction.
class Ids {
public:
    static constexpr std::size_t kRememberedMax = 20'000;  ///< of each kind
    static constexpr std::size_t kNameMax = 256;           ///< bytes of a name; the rest is cut off
    static constexpr std::size_t kTextMax = 8192;          ///< bytes of a digest's text
    static constexpr std::int64_t kPatternsMax =
        10'000;  ///< in the file; beyond, they are "(other)"

    explicit Ids(Connection& connection) : connection_{&connection} {}

    /// @param t when it was seen, µs since 1970; to the end of that hour it is kept for certain
    /// @return 0 for ""
    [[nodiscard]] std::int64_t name(NameKind kind, std::string_view text, std::int64_t t);
    /// @param digest one that names its tables completes one in the file that has none
    /// @param t when it was seen, µs since 1970
    [[nodiscard]] std::int64_t digest(const Digest& digest, std::int64_t t);
    /// Counts one more error of this pattern.
    [[nodiscard]] std::int64_t pattern(const SqlState& sqlstate,
                                       std::string_view message,
                                       std::int64_t t);

    void forget();

private:
    struct Name {
        std::int64_t id = 0;
        std::int64_t until_us = 0;  ///< its last_t in the file
    };

    struct KnownDigest {
        std::int64_t id = 0;
        bool has_tables = false;
    };

    [[nodiscard]] Name find_or_add(NameKind kind, std::string_view text, std::int64_t until_us);
    [[nodiscard]] KnownDigest find_or_add(const Digest& digest, std::int64_t t);
    [[nodiscard]] std::int64_t pattern_row(const std::string& sqlstate,
                                           std::string_view pattern,
                                           std::int64_t t);

    Connection* connection_;
    std::map<std::pair<NameKind, std::string>, Name, std::less<>> names_;
    std::unordered_map<std::uint64_t, KnownDigest> digests_;
};

}  // namespace weir::ledger
