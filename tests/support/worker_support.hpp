#pragma once

#include "protocol/frame.hpp"
#include "protocol/message_writer.hpp"
#include "proxy/worker.hpp"
#include "tests/support/stream_support.hpp"

#include <poll.h>

#include <chrono>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// A worker on its own thread, whose clients are the test's and whose console is scripted.
namespace weir::test {

/// Does with every query what the test says.
class ScriptedConsole final : public proxy::Console {
public:
    /// Each script runs on the worker's thread.
    struct Script {
        std::function<void(ScriptedConsole&)> on_query;
        std::function<void(ScriptedConsole&)> on_time;
    };

    ScriptedConsole(const Script& script, proxy::ConsoleClient client)
        : script_{script}, client_{std::move(client)} {}

    void write_welcome(ByteWriter& /*writer*/) override {}

    void on_message(protocol::FrontendMessage type, ByteView /*body*/) override {
        if (type == protocol::FrontendMessage::Query) {
            script_.on_query(*this);
        } else {
            wants_close_ = true;
        }
    }

    [[nodiscard]] bool busy() const override { return deadline_ != kNever; }

    [[nodiscard]] TimePoint deadline() const override { return deadline_; }

    void on_time(TimePoint /*now*/) override { script_.on_time(*this); }

    void cancel() override {}

    [[nodiscard]] bool wants_close() const override { return wants_close_; }

    /// Answers the query under way with that many bytes.
    void answer(std::size_t bytes) const {
        ByteWriter writer;
        protocol::write_command_complete(writer, std::string(bytes, 'x'));
        protocol::write_ready_for_query(writer, protocol::TransactionStatus::Idle);
        client_.send(writer.bytes());
    }

    void wait_for(Duration time) { deadline_ = Clock::now() + time; }

    void wait_no_longer() {
        deadline_ = kNever;
        client_.on_ready();
    }

private:
    const Script& script_;
    proxy::ConsoleClient client_;
    TimePoint deadline_ = kNever;
    bool wants_close_ = false;
};

/// One worker; every client it gets may open the console.
class WorkerFixture final : private proxy::ConsoleFactory {
public:
    static constexpr std::size_t kClientBuffer = std::size_t{64} * 1024;

    explicit WorkerFixture(ScriptedConsole::Script script) : script_{std::move(script)} {
        auto config = std::make_shared<conf::Config>();
        config->auth.method = conf::AuthMethod::Trust;
        config->admin.database = "weir";
        config->listen.max_clients = 10;
        config->listen.client_login_timeout = kPatience;
        config->limits.client_buffer = kClientBuffer;
        shared_.consoles = this;
        shared_.all_stopped = std::make_unique<std::latch>(2);
        shared_.workers.push_back(std::make_unique<proxy::Worker>(shared_, 0, config));
    }

    WorkerFixture(const WorkerFixture&) = delete;
    WorkerFixture& operator=(const WorkerFixture&) = delete;
    WorkerFixture(WorkerFixture&&) = delete;
    WorkerFixture& operator=(WorkerFixture&&) = delete;

    ~WorkerFixture() override {
        shared_.background.stop();
        shared_.workers.front()->stop();
        shared_.all_stopped->count_down();
        shared_.workers.clear();
    }

    /// @return the other end of a client that has asked for the console and not read yet what came
    [[nodiscard]] net::Fd connect() {
        SocketPair pair = unix_pair();
        shared_.workers.front()->add_client(std::move(pair.ours));
        const std::vector<std::pair<std::string, std::string>> parameters{{"user", "admin"},
                                                                          {"database", "weir"}};
        ByteWriter writer;
        protocol::write_startup(writer, 0, parameters);
        tell(pair.peer, as_text(writer.bytes()));
        return std::move(pair.peer);
    }

    /// Lets the worker's loop turn so often that it has done all it can.
    void settle() {
        constexpr int kTurns = 20;
        for (int turn = 0; turn < kTurns; ++turn) {
            std::promise<void> turned;
            shared_.workers.front()->post([&turned](proxy::Worker&) { turned.set_value(); });
            turned.get_future().wait();
        }
    }

    /// Runs `task` on the worker's thread.
    void post(std::function<void(proxy::Worker&)> task) {
        shared_.workers.front()->post(std::move(task));
    }

    /// Lets its loop end; the worker itself is there until the fixture goes.
    void stop() { shared_.workers.front()->stop(); }

private:
    std::unique_ptr<proxy::Console> open(proxy::ConsoleClient client) override {
        return std::make_unique<ScriptedConsole>(script_, std::move(client));
    }

    ScriptedConsole::Script script_;
    proxy::Shared shared_;
};

/// Reads what a worker says to its client.
class ClientEnd {
public:
    explicit ClientEnd(net::Fd peer) : peer_{std::move(peer)} {}

    void say(const ByteWriter& message) { tell(peer_, as_text(message.bytes())); }

    void query() {
        ByteWriter writer;
        protocol::write_query(writer, "");
        say(writer);
    }

    /// @return whether that many messages of this type came, counted from the beginning
    [[nodiscard]] bool hears(char type, int count) {
        while (seen_[static_cast<unsigned char>(type)] < count) {
            if (!read_more()) {
                return false;
            }
        }
        return true;
    }

    /// @return whether the worker closed the connection
    [[nodiscard]] bool hears_the_end() {
        while (read_more()) {
        }
        return has_ended_;
    }

private:
    [[nodiscard]] bool read_more() {
        pollfd waiting{peer_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds{kPatience}.count())) <=
            0) {
            return false;
        }
        const std::string chunk = heard(peer_);
        has_ended_ = chunk.empty();
        unread_ += chunk;
        for (;;) {
            const auto [status, header] = protocol::read_header(as_bytes(unread_));
            if (status != protocol::FrameStatus::Complete ||
                unread_.size() < header.frame_bytes()) {
                return !has_ended_;
            }
            ++seen_[static_cast<unsigned char>(header.type)];
            unread_.erase(0, header.frame_bytes());
        }
    }

    net::Fd peer_;
    std::string unread_;
    std::array<int, 256> seen_{};
    bool has_ended_ = false;
};

}  // namespace weir::test
