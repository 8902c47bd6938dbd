#pragma once

#include "cache/redis/redis_link.hpp"
#include "net/listener.hpp"
#include "tests/support/connect_support.hpp"
#include "tests/support/loop_support.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A link to Redis with somebody who listens to it.
namespace weir::test {

/// Sanitizers on a busy machine take their time; a test that is about timeouts sets its own.
inline constexpr std::chrono::milliseconds kLinkPatience{5'000};

class LinkRig final : public cache::RedisLinkListener {
public:
    explicit LinkRig(const Endpoint& endpoint) { settings.address.endpoint = endpoint; }

    LinkRig(const LinkRig&) = delete;
    LinkRig& operator=(const LinkRig&) = delete;
    LinkRig(LinkRig&&) = delete;
    LinkRig& operator=(LinkRig&&) = delete;
    ~LinkRig() = default;

    void begin() {
        const int before = ups;
        link = std::make_unique<cache::RedisLink>(
            loop, settings, static_cast<cache::RedisLinkListener&>(*this), counters);
        CHECK(ups == before);  // never from within the constructor
    }

    [[nodiscard]] bool until_up() {
        return turn_until(loop, [this] { return link->is_up(); });
    }

    [[nodiscard]] bool until_down() {
        return turn_until(loop, [this] { return !link->is_up(); });
    }

    /// Sends on the loop, as everybody does, and waits for what comes of it.
    /// @return "reply", "-error" by its name, or "not sent"
    std::string ask(std::initializer_list<std::string_view> words) {
        std::optional<std::string> told;
        std::vector<std::string> kept{words.begin(), words.end()};
        loop.post([this, &told, &kept] {
            const std::vector<std::string_view> views{kept.begin(), kept.end()};
            if (!link->send(views,
                            [&told](const cache::Answer& answer) { told = text_of(answer); })) {
                told = "not sent";
            }
        });
        REQUIRE(turn_until(loop, [&told] { return told.has_value(); }));
        return *told;
    }

    /// Sends, and notes the answer in `answers`.
    void tell(std::initializer_list<std::string_view> words) {
        if (!link->send(words, [this](const cache::Answer& answer) {
                answers.push_back(text_of(answer));
            })) {
            answers.emplace_back("not sent");
        }
    }

    /// @return what a command's answer says, for comparing
    [[nodiscard]] static std::string text_of(const cache::Answer& answer) {
        if (answer.error) {
            return "-" + std::string{name_of(*answer.error)};
        }
        switch (answer.reply.kind()) {
            case cache::Reply::Kind::Nil: return "(nil)";
            case cache::Reply::Kind::Integer: return std::to_string(answer.reply.integer());
            case cache::Reply::Kind::Array:
                return "array of " + std::to_string(answer.reply.size());
            default: return std::string{answer.reply.text()};
        }
    }

    void on_up() override { ++ups; }

    void on_down() override { ++downs; }

    void on_message(std::string_view channel, std::string_view payload) override {
        messages.push_back(std::string{channel} + "=" + std::string{payload});
    }

    net::EventLoop loop;
    cache::RedisLinkSettings settings = patient();
    cache::RedisCounters counters;
    std::vector<std::string> answers;
    std::vector<std::string> messages;
    int ups = 0;
    int downs = 0;
    std::unique_ptr<cache::RedisLink> link;

private:
    [[nodiscard]] static cache::RedisLinkSettings patient() {
        cache::RedisLinkSettings settings;
        settings.timeout = kLinkPatience;
        settings.greeting = kLinkPatience;
        settings.pause_min = std::chrono::milliseconds{5};
        settings.pause_max = std::chrono::milliseconds{40};
        return settings;
    }
};

/// Stands where Redis should be, says what it is told to, and hears nothing unless asked.
class FakeRedis {
public:
    explicit FakeRedis(net::EventLoop& loop)
        : listener_{open_door(loop, tcp("127.0.0.1", 0), guests_)} {}

    [[nodiscard]] Endpoint endpoint() const { return listener_->endpoint(); }

    /// Sends to whoever came last.
    void say(std::string_view text) const {
        CHECK(::send(guests_.back().get(), text.data(), text.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(text.size()));
    }

    /// @return what the last one has sent so far, as it came in one read each
    [[nodiscard]] std::vector<std::string> hear() const {
        std::vector<std::string> heard;
        std::string buffer(1U << 20U, '\0');
        for (;;) {
            const ssize_t got =
                ::recv(guests_.back().get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got <= 0) {
                return heard;
            }
            heard.emplace_back(buffer, 0, static_cast<std::size_t>(got));
        }
    }

    void hang_up() { guests_.pop_back(); }

    [[nodiscard]] std::size_t guests() const { return guests_.size(); }

private:
    std::vector<net::Fd> guests_;
    std::unique_ptr<net::Listener> listener_;
};

}  // namespace weir::test
