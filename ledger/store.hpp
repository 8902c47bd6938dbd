#pragma once

#include "ledger/batch.hpp"
#include "ledger/batch_writer.hpp"
#include "ledger/connection.hpp"
#include "ledger/file_place.hpp"
#include "ledger/hour_writer.hpp"
#include "ledger/ids.hpp"
#include "ledger/pending.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace weir::ledger {

/// What is written in one transaction beside the rows.
enum class Extent : std::uint8_t {
    Rows,
    Totals,   ///< and the hours' sums
    Spreads,  ///< and how their times are spread
};

/// The file: opened, brought to this program's version, written to in transactions of which each is
/// there or not.
///
/// Thread: the writer's, but for stop_long_work().
class Store {
public:
    static constexpr std::uint64_t kPageBytes = 4096;
    /// A ledger in memory grows no further, whatever its max_size: all of SQLite in a process
    /// shares 64 MiB.
    static constexpr std::uint64_t kMemoryBytesMax = std::uint64_t{32} << 20U;

    struct Options {
        std::string path;  ///< or ":memory:"
        std::uint64_t max_size = 0;
        std::chrono::milliseconds locked_for{2000};  ///< how long another's lock is waited for
    };

    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    Store(Store&&) = delete;
    Store& operator=(Store&&) = delete;

    ~Store() { close(); }

    /// @return what is in the way; nothing when it is open
    [[nodiscard]] std::optional<Trouble> open(const Options& options);
    /// Notes that all was in order, and closes.
    void close();

    [[nodiscard]] bool is_open() const { return connection_.is_open(); }

    /// Writes in one transaction. What of `pending` has been written is cleared there; on trouble
    /// nothing is written and `pending` as it was.
    [[nodiscard]] std::optional<Trouble> write(Batch& batch, Pending& pending, Extent extent);

    void set_max_size(std::uint64_t bytes);

    /// Makes what takes long in open() end soon, with trouble. Thread: any.
    void stop_long_work() { is_stopping_.store(true, std::memory_order_relaxed); }

    [[nodiscard]] bool is_in_memory() const { return options_.path == ":memory:"; }

    /// What to open for reading: the file, which another than the configured one where that is a
    /// newer program's, or a "file:" name for what is in memory.
    [[nodiscard]] const std::string& uri() const { return uri_; }

    /// The file's own path; "" in memory.
    [[nodiscard]] const std::string& file() const { return file_; }

    /// How many pages there may be; 0 = as many as there is room for.
    [[nodiscard]] std::int64_t pages_max() const;
    /// How many bytes are used, free pages not counted.
    [[nodiscard]] std::uint64_t bytes_used();
    /// How long the ballast is to be, where there is room.
    [[nodiscard]] std::uint64_t ballast_bytes() const;
    /// Keeps SQLite's log so short that giving up the ballast makes room for bringing it into the
    /// file.
    void fit_log_into(std::uint64_t ballast_bytes);

    [[nodiscard]] Connection& connection() { return connection_; }

    [[nodiscard]] Ids& ids() { return ids_; }

    /// After days were summed up.
    void days_are_summed_up_to(std::int64_t last_day);

    [[nodiscard]] std::int64_t last_summed_day() const { return last_day_; }

private:
    [[nodiscard]] std::optional<Trouble> open_file(const std::string& file);
    [[nodiscard]] std::optional<Trouble> open_connection();
    bool set_up();
    [[nodiscard]] bool is_sound();
    [[nodiscard]] std::optional<Trouble> given_up();

    Options options_;
    std::string file_;
    std::string uri_;
    FileLock lock_;
    Connection connection_;
    Ids ids_{connection_};
    BatchWriter rows_{connection_, ids_};
    HourWriter hours_{connection_, ids_};
    std::int64_t last_day_ = -1;
    std::atomic<bool> is_stopping_{false};
};

}  // namespace weir::ledger
