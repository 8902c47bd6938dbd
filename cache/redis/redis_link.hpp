#pragma once

#include "base/clock.hpp"
#include "base/log.hpp"
#include "cache/redis/redis_counters.hpp"
#include "cache/redis/redis_reply.hpp"
#include "conf/redis_url.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"
#include "net/stream.hpp"
#include "net/turn_end.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cache {

/// What became of a command.
struct Answer {
    std::optional<RedisError> error;
    Reply reply;  ///< where there is no error, and the error reply where Redis sent one

    [[nodiscard]] bool is_good() const { return !error; }
};

/// Who is told what happens on a link. None of these may destroy the link; they may send.
class RedisLinkListener {
public:
    /// Commands can be sent: the first time, and each time it is back.
    virtual void on_up() = 0;
    /// It is gone, and what was under way is told next, each with RedisError::Closed.
    virtual void on_down() = 0;

    /// A message on one of the link's channels.
    virtual void on_message(std::string_view /*channel*/, std::string_view /*payload*/) {}

protected:
    ~RedisLinkListener() = default;
};

/// How a link behaves; the defaults of what no setting of ours changes.
struct RedisLinkSettings {
    conf::RedisAddress address;
    std::chrono::milliseconds timeout{50};  ///< of each command
    std::string client_name = "weir";       ///< for CLIENT LIST, without spaces
    bool is_reported = true;                ///< its coming and going: one of many links is enough
    std::vector<std::string> scripts;       ///< sources of what run() runs, by index
    std::vector<std::string> channels;      ///< it subscribes, and then can only be pinged
    /// To connect, with the look-up of a name, and again to be let in. With the longest pause this
    /// is less than the time others give us to tell what we wrote: FreshnessSettings::settle.
    std::chrono::milliseconds greeting{500};
    std::chrono::milliseconds pause_min{50};  ///< before the first attempt to reconnect
    std::chrono::milliseconds pause_max{1'000};
    std::size_t in_flight_max = 10'000;
    std::size_t unsent_max = std::size_t{16} * 1024 * 1024;  ///< bytes
};

/// One loop's connection to Redis: it comes back by itself, and every command is answered, refused
/// or given up within its deadline.
///
/// All commands of one turn of the loop leave in one write. Nothing is queued while it is away.
/// Destroying it closes the connection; what is under way is dropped and nobody is called.
/// @thread its loop's
class RedisLink final : private net::StreamListener, private net::DeadlineListener {
public:
    using OnAnswer = std::function<void(const Answer&)>;

    /// Begins to connect. Nobody is called from within the constructor.
    RedisLink(net::EventLoop& loop,
              RedisLinkSettings settings,
              RedisLinkListener& listener,
              RedisCounters& counters);
    RedisLink(const RedisLink&) = delete;
    RedisLink& operator=(const RedisLink&) = delete;
    RedisLink(RedisLink&&) = delete;
    RedisLink& operator=(RedisLink&&) = delete;
    ~RedisLink();

    /// Sends a command at the end of this turn.
    ///
    /// @param on_answer called once, in a later turn, within the timeout; may send, must not
    /// destroy the link
    /// @return false when it was not sent, because Redis is away or too much is under way:
    /// `on_answer` is not called
    [[nodiscard]] bool send(std::span<const std::string_view> words, OnAnswer on_answer);

    [[nodiscard]] bool send(std::initializer_list<std::string_view> words, OnAnswer on_answer) {
        return send(std::span<const std::string_view>{words.begin(), words.size()},
                    std::move(on_answer));
    }

    /// Runs one of the link's scripts.
    /// @param keys_and_arguments the keys first
    [[nodiscard]] bool run(std::size_t script,
                           std::size_t keys,
                           std::span<const std::string_view> keys_and_arguments,
                           OnAnswer on_answer);

    [[nodiscard]] bool is_up() const { return state_ == State::Up; }

    /// Counts the connections that came up: what was sent on an older one may be carried out after
    /// what was sent on a newer one.
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    [[nodiscard]] std::size_t in_flight() const { return under_way_.size(); }

private:
    enum class State : std::uint8_t { Away, Dialling, Greeting, Up };

    /// A command that Redis still owes a reply to.
    struct UnderWay {
        OnAnswer on_answer;
        TimePoint sent;
        TimePoint due;
    };

    void dial();
    void on_dialled(Result<net::Fd> dialled);
    void greet();
    void expect(std::initializer_list<std::string_view> words, std::string_view step);
    void load_script(std::size_t script);
    void come_up();
    void put(std::span<const std::string_view> words, OnAnswer on_answer);
    void flush();
    void lose(RedisError why, std::string_view reason);
    void drop_under_way();
    void retry_later();
    void count(RedisError error);
    void note_error(RedisError error, std::string_view text);
    void take(const OwnedReply& reply);
    void answer_first(const Reply& reply);
    [[nodiscard]] bool take_message(const Reply& reply);
    void on_late();
    void arm_answers();
    void count_in_flight();

    [[nodiscard]] std::size_t on_bytes(ByteView bytes) override;

    void on_drained() override {}

    void on_closed(const Error& reason) override;
    void on_deadline(net::Deadline& deadline) override;

    net::EventLoop& loop_;
    RedisLinkSettings settings_;
    RedisLinkListener& listener_;
    RedisCounters& counters_;
    State state_ = State::Away;
    std::unique_ptr<net::Connector> connector_;
    std::unique_ptr<net::Stream> stream_;
    std::unique_ptr<ReplyReader> reader_;
    std::string out_;  // what leaves at the end of the turn
    std::deque<UnderWay> under_way_;
    std::size_t given_up_ = 0;          // how many of them, from the front, have had their answer
    std::vector<std::string> digests_;  // of the scripts, as Redis told them; "" = not yet
    TimePoint heard_{};                 // when the last reply came
    TimePoint up_since_{};
    std::optional<TimePoint> away_since_;  // once it has been logged
    unsigned attempts_ = 0;
    std::uint64_t generation_ = 0;
    net::Deadline retry_{*this};
    net::Deadline answers_{*this};  // the next command to be given up, or the link itself
    net::TurnEnd turn_end_;
    log::RateLimit refusals_;
};

}  // namespace weir::cache
