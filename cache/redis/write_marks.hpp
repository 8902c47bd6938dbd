#pragma once

#include "base/clock.hpp"
#include "cache/redis/stored_value.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cache {

/// What becomes of the mark that says "somebody is writing to this table".
enum class Mark : std::uint8_t { Leave, Set, Clear };

struct TableTelling {
    TableId table = kWholeDatabase;
    Mark mark = Mark::Leave;

    bool operator==(const TableTelling&) const = default;
};

/// One thing to tell Redis: these tables have, each, a new version.
struct Telling {
    std::string database;
    std::vector<TableTelling> tables;

    bool operator==(const Telling&) const = default;
};

/// What came of a commit, as far as it is known here.
enum class WriteEnd : std::uint8_t {
    Known,    ///< it is done, or has failed
    Unknown,  ///< the connection was lost: PostgreSQL may still carry it out
};

/// The writes of one thread that are under way, and those that Redis has not been told of. Pure
/// bookkeeping; SharedResults tells.
class WriteMarks {
public:
    /// @param untold_max tables remembered; with more of them, all of a database stands for its own
    /// @param lapse how long a mark holds whose write has no end
    WriteMarks(std::size_t untold_max, Duration lapse) : untold_max_{untold_max}, lapse_{lapse} {}

    [[nodiscard]] Telling begin(std::string_view database, std::span<const TableId> tables);

    /// What has begun goes on: its marks are to last.
    [[nodiscard]] static Telling again(std::string_view database, std::span<const TableId> tables);

    /// @return what to tell: a mark stays while another write to its table is under way, and, after
    /// one with an unknown end, until that must have lapsed
    [[nodiscard]] Telling end(std::string_view database,
                              std::span<const TableId> tables,
                              WriteEnd how,
                              TimePoint now);

    /// This could not be told: next_untold() will say so again.
    /// @return whether there were too many, and all of the database stands for them now
    bool remember(const Telling& telling);

    /// Says what is to be told once more and forgets it: one database at a time, and either writes
    /// that are over or such as are under way, because they are told by messages of two kinds.
    /// @return no tables when there is nothing
    [[nodiscard]] Telling next_untold(TimePoint now);

    /// The connection is a new one, on which none of the marks has been set: they are untold.
    void forget_marks(TimePoint now);

    [[nodiscard]] std::size_t untold() const { return untold_count_; }

private:
    struct Writing {
        unsigned writes = 0;
        TimePoint unknown_until{};  // a write with an unknown end may still happen

        [[nodiscard]] bool is_on(TimePoint now) const { return writes > 0 || unknown_until > now; }
    };

    struct Database {
        std::map<TableId, Writing> writing;
        std::set<TableId> untold;

        [[nodiscard]] bool is_writing(TableId table, TimePoint now) const;
    };

    [[nodiscard]] Database& database(std::string_view name);
    bool add_untold(Database& into, TableId table);

    std::size_t untold_max_;
    Duration lapse_;
    std::size_t untold_count_ = 0;
    std::map<std::string, Database, std::less<>> databases_;
};

}  // namespace weir::cache
