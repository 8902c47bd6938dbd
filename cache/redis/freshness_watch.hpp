#pragma once

#include "base/clock.hpp"
#include "cache/redis/freshness_lease.hpp"
#include "cache/redis/invalidation.hpp"
#include "cache/redis/redis_counters.hpp"
#include "cache/redis/redis_keys.hpp"
#include "cache/redis/redis_link.hpp"
#include "net/event_loop.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::cache {

/// Who is told what other instances write, and when that cannot be known. It begins unsure. None of
/// these may destroy the watch.
class FreshnessObserver {
public:
    /// What is cached in this process must be neither served nor added to. (The lease has ended.)
    virtual void on_unsure() = 0;
    /// Something may have been missed: whatever is cached in this process must go. Only while
    /// unsure.
    virtual void on_gap() = 0;
    /// All is known again; the lease holds.
    virtual void on_sure() = 0;
    /// Somebody writes, this instance included. Comes while unsure, too.
    virtual void on_invalidation(const Invalidation& what) = 0;

protected:
    ~FreshnessObserver() = default;
};

struct FreshnessSettings {
    RedisLinkSettings link;  ///< scripts and channels are filled in
    std::string prefix = "weir:";
    std::uint64_t instance = 0;  ///< random; one for each process
    std::chrono::milliseconds beat{100};
    /// Without a beat heard for so long, counted from when it was sent, nothing cached is trusted.
    std::chrono::milliseconds lease{300};
    /// After having been unsure, others are given so long to tell what they wrote meanwhile: more
    /// than the longest pause before anybody reconnects.
    std::chrono::milliseconds settle{2'000};
    /// Something may have been written here that nobody told of: nothing is trusted before forget()
    /// was called.
    bool must_forget = false;
};

/// One process' ear: hears what all instances write, and knows by its own heartbeat, which comes
/// the same way, whether it hears everything (README.md).
///
/// @thread its loop's; the lease it is given is asked from any
class FreshnessWatch final : private RedisLinkListener, private net::DeadlineListener {
public:
    /// @param lease outlives the watch; ended when it is destroyed
    FreshnessWatch(net::EventLoop& loop,
                   const FreshnessSettings& settings,
                   FreshnessLease& lease,
                   FreshnessObserver& observer,
                   RedisCounters& counters);
    FreshnessWatch(const FreshnessWatch&) = delete;
    FreshnessWatch& operator=(const FreshnessWatch&) = delete;
    FreshnessWatch(FreshnessWatch&&) = delete;
    FreshnessWatch& operator=(FreshnessWatch&&) = delete;
    ~FreshnessWatch();

    [[nodiscard]] bool is_sure() const { return trust_ == Trust::Sure; }

    /// Whatever was kept so far, in Redis and by all who share it, is forgotten: a new epoch
    /// begins. From here on all writes of this process are told of.
    void forget();

private:
    enum class Trust : std::uint8_t {
        Unsure,    ///< no beat is heard
        Settling,  ///< beats are heard, others may still have something to tell
        Sure,
    };

    /// Where everything stood when Redis had a beat.
    struct Beat {
        std::uint64_t count = 0;
        std::uint64_t epoch = 0;
        std::uint64_t sequence = 0;
    };

    void on_up() override {}

    void on_down() override;
    [[nodiscard]] bool is_of_wanted_epoch(const Beat& beat);
    void on_message(std::string_view channel, std::string_view payload) override;
    void on_deadline(net::Deadline& deadline) override;
    [[nodiscard]] static std::optional<Beat> parse_beat(std::string_view payload);
    void send_beat();
    void hear_beat(const Beat& beat);
    void hear_invalidation(std::string_view payload);
    void note_gap();
    void become_unsure();

    /// As many beats may be on their way; older ones have nothing to say any more.
    static constexpr std::size_t kBeatsRemembered = 64;

    net::EventLoop& loop_;
    std::chrono::milliseconds beat_every_;
    std::chrono::milliseconds lease_for_;
    std::chrono::milliseconds settle_for_;
    RedisKeys keys_;
    std::string beat_channel_;
    FreshnessLease& lease_;
    FreshnessObserver& observer_;
    RedisCounters& counters_;
    Trust trust_ = Trust::Unsure;
    TimePoint settled_at_{};
    std::optional<std::uint64_t> epoch_;  // nothing before the first beat
    std::uint64_t sequence_ = 0;          // of the last message heard
    bool was_deaf_ = false;               // since the last beat
    bool must_forget_;                    // and forget() is yet to be called
    std::string wanted_epoch_;            // which is to begin; "" = whichever there is
    std::uint64_t beats_ = 0;
    std::array<TimePoint, kBeatsRemembered> sent_{};
    net::Deadline next_beat_{*this};
    net::Deadline silence_{*this};
    std::unique_ptr<RedisLink> messages_;
    std::unique_ptr<RedisLink> commands_;
};

}  // namespace weir::cache
