#pragma once

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "tests/support/connect_support.hpp"
#include "tests/support/loop_support.hpp"

#include <doctest/doctest.h>
#include <hiredis/hiredis.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// A redis-server of the test's own, on a free port of this machine and a unix socket.
namespace weir::test {

/// A port at which nobody listens, below those that the kernel gives to whoever connects: a server
/// that is started again later must still find it free.
[[nodiscard]] inline std::uint16_t free_low_port() {
    constexpr std::uint32_t kFirst = 15'000;
    constexpr std::uint32_t kPorts = 17'000;
    for (;;) {
        const auto port = static_cast<std::uint16_t>(kFirst + random_u32() % kPorts);
        const auto address = net::numeric_address(tcp("127.0.0.1", port));
        const net::Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        if (::bind(fd.get(), address->get(), address->length) == 0) {
            return port;
        }
    }
}

class RedisServer {
public:
    /// @param options as on its command line: {"--requirepass", "x"}
    explicit RedisServer(std::vector<std::string> options = {})
        : port_{free_low_port()}, options_{std::move(options)} {
        start();
    }

    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;
    RedisServer(RedisServer&&) = delete;
    RedisServer& operator=(RedisServer&&) = delete;

    ~RedisServer() {
        if (process_ > 0) {
            kill();
        }
    }

    /// Starts it (again); whoever needs it up must wait for that, or call await().
    void start() {
        std::vector<std::string> words{"redis-server", "--bind", "127.0.0.1", "--port"};
        words.push_back(std::to_string(port_));
        for (const char* word : {"--save", "", "--appendonly", "no", "--loglevel", "warning"}) {
            words.emplace_back(word);
        }
        for (const auto& [option, file] :
             {std::pair{"--unixsocket", "redis.sock"}, {"--logfile", "redis.log"}, {"--dir", ""}}) {
            words.emplace_back(option);
            words.push_back(folder_.file(file));
        }
        words.insert(words.end(), options_.begin(), options_.end());
        std::vector<char*> arguments;
        arguments.reserve(words.size() + 1);
        for (std::string& word : words) {
            arguments.push_back(word.data());
        }
        arguments.push_back(nullptr);
        process_ = ::fork();
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
    }

    /// Ends it as a crash would.
    void kill() {
        ::kill(process_, SIGKILL);
        ::waitpid(std::exchange(process_, 0), nullptr, 0);
    }

    void freeze() const { ::kill(process_, SIGSTOP); }

    void thaw() const { ::kill(process_, SIGCONT); }

    /// Sends one command of words without spaces, as its administrator, and waits for the answer.
    /// @return the text or number of the reply, "" for nothing
    // NOLINTNEXTLINE(modernize-use-nodiscard): mostly it is for what the command does
    std::string ask(const std::string& command, const std::string& password = "") const {
        const TimePoint due = Clock::now() + kPatience;
        while (Clock::now() < due) {
            const std::unique_ptr<redisContext, decltype(&redisFree)> context{
                redisConnect("127.0.0.1", port_), &redisFree};
            if (context->err == 0) {
                if (!password.empty()) {
                    freeReplyObject(redisCommand(context.get(), "AUTH %s", password.c_str()));
                }
                auto* raw = static_cast<redisReply*>(redisCommand(context.get(), command.c_str()));
                if (raw != nullptr) {
                    const std::string text = raw->str != nullptr ? std::string{raw->str, raw->len}
                                                                 : std::to_string(raw->integer);
                    const bool is_nothing = raw->type == REDIS_REPLY_NIL;
                    freeReplyObject(raw);
                    return is_nothing ? "" : text;
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{5});  // it is still starting
        }
        FAIL("redis-server does not answer");
        return {};
    }

    /// Waits until it answers.
    void await() const { static_cast<void>(ask("PING")); }

    [[nodiscard]] Endpoint endpoint() const { return tcp("127.0.0.1", port_); }

    [[nodiscard]] std::uint16_t port() const { return port_; }

    [[nodiscard]] std::string socket_path() const { return folder_.file("redis.sock"); }

private:
    TemporaryFolder folder_;
    std::uint16_t port_;
    std::vector<std::string> options_;
    pid_t process_ = 0;
};

}  // namespace weir::test
