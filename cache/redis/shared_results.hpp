#pragma once

#include "base/bytes.hpp"
#include "cache/redis/freshness_lease.hpp"
#include "cache/redis/invalidation.hpp"
#include "cache/redis/redis_counters.hpp"
#include "cache/redis/redis_keys.hpp"
#include "cache/redis/redis_link.hpp"
#include "cache/redis/stored_value.hpp"
#include "cache/redis/write_marks.hpp"
#include "net/event_loop.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::cache {

/// Which result is meant. Views: valid during the call they are given to.
struct ResultKey {
    std::string_view database;
    ByteView key;                     ///< the cache's whole key
    std::span<const TableId> tables;  ///< all that the statement reads, each once, in any order
};

/// What a get() has found.
struct FoundResult {
    std::optional<StoredValue> value;  ///< may be used; points into memory valid during the call
    /// The versions of the tables before now: what set() wants to hear of a statement that is sent
    /// from now on. Nothing where its result cannot be kept.
    std::optional<SharedVersions> versions;
};

struct SharedResultsSettings {
    RedisLinkSettings link;  ///< scripts are filled in
    std::string prefix = "weir:";
    std::uint64_t instance = 0;       ///< as the FreshnessWatch's
    unsigned worker = 0;              ///< tells the threads of one instance apart
    std::size_t untold_max = 10'000;  ///< tables remembered while Redis is away
    /// How long a write may be under way without its end being heard of.
    std::chrono::milliseconds lapse{30'000};
};

/// Results of reads that all instances share through Redis: one thread's part. Redis away, slow,
/// full or wrong is a miss, and a write that is told later; never an error, and never more delay
/// than the link's timeout. README.md says why no result is served that a write has made wrong.
///
/// Destroying it calls nobody; what was not told then is not told by anybody.
/// @thread its loop's
class SharedResults final : private RedisLinkListener, private net::DeadlineListener {
public:
    using OnFound = std::function<void(const FoundResult&)>;
    enum class Told : std::uint8_t {
        Now,    ///< Redis knows of the write, and whoever listens hears of it
        Later,  ///< it will be told as soon as it can be: go on all the same
    };
    using OnTold = std::function<void(Told)>;

    /// @param lease outlives this; without it nothing is served or kept
    SharedResults(net::EventLoop& loop,
                  SharedResultsSettings settings,
                  FreshnessLease& lease,
                  RedisCounters& counters);
    SharedResults(const SharedResults&) = delete;
    SharedResults& operator=(const SharedResults&) = delete;
    SharedResults(SharedResults&&) = delete;
    SharedResults& operator=(SharedResults&&) = delete;
    ~SharedResults();

    /// Looks for a result, and asks for the versions of its tables with it.
    ///
    /// @return false for a miss at once: `on_found` is not called, and the result cannot be kept
    [[nodiscard]] bool get(const ResultKey& key, OnFound on_found);

    /// Keeps a result unless somebody has written, or is writing, to its tables.
    ///
    /// @param versions as get() told before the statement was sent
    /// @param ttl when Redis drops it
    void set(const ResultKey& key,
             const SharedVersions& versions,
             const StoredResult& result,
             std::chrono::milliseconds ttl);

    /// A transaction that has written to these tables is about to commit.
    ///
    /// @param tables kWholeDatabase where they are not known
    /// @param on_told called once, in a later turn: not before it may the commit be sent
    /// @return false when Redis is away: `on_told` is not called, go on at once; others are told
    /// when it is back
    [[nodiscard]] bool begin_write(std::string_view database,
                                   std::span<const TableId> tables,
                                   OnTold on_told);

    /// It goes on: says so again, before others take it for ended (SharedResultsSettings::lapse).
    void repeat_write(std::string_view database, std::span<const TableId> tables);

    /// That commit has ended, whichever way; each begin_write() has its end_write().
    ///
    /// @param on_told as above: the client may be told of the commit then
    [[nodiscard]] bool end_write(std::string_view database,
                                 std::span<const TableId> tables,
                                 WriteEnd how,
                                 OnTold on_told);

    [[nodiscard]] bool is_up() const { return link_.is_up(); }

    /// @return 0 when Redis has been told of everything
    [[nodiscard]] std::size_t untold() const { return marks_.untold() + late_; }

private:
    struct Lookup;

    void on_up() override;

    void on_down() override {}

    void on_deadline(net::Deadline& deadline) override;
    [[nodiscard]] bool ask_versions(const Lookup& lookup, RedisLink::OnAnswer on_answer);
    void take_versions(const std::shared_ptr<Lookup>& lookup, const Answer& answer);
    void take_value(Lookup& lookup, const Answer& answer);
    void open_versions(const std::string& versions_key);
    [[nodiscard]] bool tell_write(const Telling& telling, WritePhase phase, OnTold on_told);
    [[nodiscard]] bool tell(const Telling& telling, WritePhase phase, OnTold on_told);
    void on_told(const Telling& telling, const Answer& answer, const OnTold& on_told);
    [[nodiscard]] bool drop_versions(const Telling& telling, const OnTold& on_told);
    void remember(const Telling& telling);
    void tell_untold();
    void publish_untold();

    static constexpr std::size_t kWriteScript = 0;
    static constexpr std::size_t kStoreScript = 1;
    static constexpr std::size_t kOpenScript = 2;
    /// Before what Redis has refused is told once more.
    static constexpr std::chrono::milliseconds kRetry{100};

    net::EventLoop& loop_;
    RedisKeys keys_;
    std::uint64_t instance_;
    unsigned worker_;
    std::chrono::milliseconds lapse_;
    FreshnessLease& lease_;
    RedisCounters& counters_;
    WriteMarks marks_;
    std::size_t late_ = 0;     // tellings under way of what could not be told before
    bool has_untold_ = false;  // as the lease knows it
    net::Deadline retry_{*this};
    RedisLink link_;
};

}  // namespace weir::cache
