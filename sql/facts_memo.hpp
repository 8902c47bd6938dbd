#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/read_route.hpp"

namespace weir::sql {

/// Remembers by digest what was found out of a statement, and what came of it.
///
/// One per worker and database: the same words mean other functions in another database. When full,
/// of entries or of the names in them, it forgets what has not been asked for lately.
/// @thread its worker's
class FactsMemo {
public:
    static constexpr std::size_t kEntriesMax = 32768;
    static constexpr std::size_t kBytesMax = std::size_t{32} * 1024 * 1024;

    /// What is known of a statement.
    struct Known {
        std::shared_ptr<const StatementFacts> facts;  ///< never null
        bool is_read = false;  ///< see sql::is_read(); false of what a replica has refused
    };

    explicit FactsMemo(std::size_t entries_max = kEntriesMax, std::size_t bytes_max = kBytesMax);

    /// Parses on first sight; judges again when the knowledge has another version.
    /// @param digest RequestEffects::digest of this text
    /// @param sql the text; not kept
    [[nodiscard]] Known look_up(std::uint64_t digest,
                                std::string_view sql,
                                const FunctionCatalog& catalog);

    /// A replica has refused a statement of this digest: it goes to the primary for as long as it
    /// is remembered and the functions stay what they are.
    void remember_as_write(std::uint64_t digest);

    [[nodiscard]] std::size_t size() const { return places_.size(); }

    /// @return about how much memory the facts take
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    struct Entry {
        std::uint64_t digest = 0;
        Known known;                // without facts: they are not known yet
        std::size_t bytes = 0;      // of the facts
        std::uint64_t version = 0;  // of the catalog that is_read is by
        bool is_taken = false;
        bool is_refused = false;  // by a replica, under that version
        bool is_used = false;     // since the hand came by
    };

    Entry& entry(std::uint64_t digest);
    void find_out(Entry& mine, std::string_view sql);
    [[nodiscard]] std::size_t free_place();
    std::size_t evict();

    std::size_t entries_max_;
    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    std::vector<Entry> entries_;
    std::unordered_map<std::uint64_t, std::size_t> places_;  // by digest, in entries_
    std::vector<std::size_t> free_;                          // places in entries_
    std::size_t hand_ = 0;
};

}  // namespace weir::sql
