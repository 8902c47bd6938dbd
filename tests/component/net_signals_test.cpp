#include "net/signals.hpp"
#include "tests/support/loop_support.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::TemporaryFolder;
using test::turn_until;

void write_file(const std::string& path, const std::string& text) {
    std::ofstream{path} << text;
}

TEST_SUITE("net_signals") {
    TEST_CASE("signals: each is told on the loop, by its number") {
        EventLoop loop;
        std::vector<int> seen;
        const Signals signals{
            loop, {SIGUSR1, SIGUSR2, SIGHUP}, [&seen](int number) { seen.push_back(number); }};
        for (const int number : {SIGUSR2, SIGHUP, SIGUSR1, SIGUSR1}) {
            const std::size_t before = seen.size();
            ::kill(::getpid(), number);
            CHECK(turn_until(loop, [&] { return seen.size() > before; }));
        }
        CHECK(seen == std::vector{SIGUSR2, SIGHUP, SIGUSR1, SIGUSR1});
    }

    TEST_CASE("signals: two loops hear the same signal") {
        EventLoop one;
        EventLoop two;
        int heard_by_one = 0;
        int heard_by_two = 0;
        const Signals first{one, {SIGUSR1}, [&](int) { ++heard_by_one; }};
        const Signals second{two, {SIGUSR1}, [&](int) { ++heard_by_two; }};
        ::kill(::getpid(), SIGUSR1);
        CHECK(turn_until(one, [&] { return heard_by_one == 1; }));
        CHECK(turn_until(two, [&] { return heard_by_two == 1; }));
    }

    TEST_CASE("signals: gone from their loop, they are told no more") {
        EventLoop loop;
        int kept = 0;
        int dropped = 0;
        const Signals keeper{loop, {SIGUSR1}, [&](int) { ++kept; }};
        {
            const Signals signals{loop, {SIGUSR1}, [&](int) { ++dropped; }};
        }
        ::kill(::getpid(), SIGUSR1);
        CHECK(turn_until(loop, [&] { return kept == 1; }));
        CHECK(dropped == 0);
    }

    /// Changes the file again and again, for the first look at it may come after the first change.
    struct Meddler final : DeadlineListener {
        Meddler(EventLoop& events, std::function<void(int)> change)
            : loop{events}, meddle{std::move(change)} {
            loop.set_deadline(deadline, Clock::now());
        }

        void on_deadline(Deadline& /*deadline*/) override {
            meddle(++times);
            loop.set_deadline(deadline, Clock::now() + milliseconds{50});
        }

        EventLoop& loop;
        std::function<void(int)> meddle;
        int times = 0;
        Deadline deadline{*this};
    };

    TEST_CASE("file watch: notices a file that is replaced by a rename, among several") {
        const TemporaryFolder folder;
        const std::string still = folder.file("weir.toml");
        const std::string watched = folder.file("users.toml");
        write_file(still, "a");
        write_file(watched, "a");
        EventLoop loop;
        int changes = 0;
        const FileWatch watch{loop, {still, watched}, [&changes] { ++changes; }};
        const Meddler meddler{loop, [&](int time) {
                                  write_file(watched + ".new", "version " + std::to_string(time));
                                  std::filesystem::rename(watched + ".new", watched);
                              }};
        CHECK(turn_until(loop, [&changes] { return changes > 0; }));
    }

    TEST_CASE("file watch: notices a link that points elsewhere, with the same size and content") {
        const TemporaryFolder folder;
        const std::string link = folder.file("weir.toml");
        write_file(folder.file("0"), "same");
        std::filesystem::create_symlink("0", link);
        EventLoop loop;
        int changes = 0;
        const FileWatch watch{loop, {link}, [&changes] { ++changes; }};
        const Meddler meddler{loop, [&](int time) {
                                  const std::string target = std::to_string(time);
                                  write_file(folder.file(target), "same");
                                  std::filesystem::create_symlink(target, link + ".new");
                                  std::filesystem::rename(link + ".new", link);
                              }};
        CHECK(turn_until(loop, [&changes] { return changes > 0; }));
    }

    TEST_CASE("file watch: waits for a file that is away, and tells when it is back") {
        const TemporaryFolder folder;
        const std::string path = folder.file("later.toml");
        EventLoop loop;
        int changes = 0;
        const FileWatch watch{loop, {path}, [&] {
                                  CHECK(std::filesystem::exists(path));
                                  ++changes;
                              }};
        test::turn_for(loop, milliseconds{50});
        CHECK(changes == 0);
        const Meddler meddler{loop, [&](int time) {
                                  write_file(path, std::string(static_cast<unsigned>(time), 'x'));
                              }};
        CHECK(turn_until(loop, [&changes] { return changes > 0; }));
    }

    TEST_CASE("file watch: a file that stays among the watched ones keeps what was seen of it") {
        const TemporaryFolder folder;
        const std::string stays = folder.file("weir.toml");
        const std::string comes = folder.file("users.txt");
        const std::string goes = folder.file("old.txt");
        for (const std::string& path : {stays, comes, goes}) {
            write_file(path, "a");
        }
        EventLoop loop;
        int changes = 0;
        FileWatch watch{loop, {stays, goes}, [&changes] { ++changes; }};
        const Meddler meddler{loop, [&](int time) {
                                  write_file(stays, std::string(static_cast<unsigned>(time), 'x'));
                                  watch.set_files({stays, comes});
                              }};
        CHECK(turn_until(loop, [&changes] { return changes > 0; }));
    }

    TEST_CASE("file watch: may go while it looks") {
        const TemporaryFolder folder;
        EventLoop loop;
        {
            const FileWatch watch{loop, {folder.file("a"), folder.file("b")}, [] {}};
        }
        loop.run_pending();
    }
}

}  // namespace
}  // namespace weir::net
