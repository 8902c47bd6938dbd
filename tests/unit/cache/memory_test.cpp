#include "cache/local_store.hpp"
#include "tests/unit/cache/cache_support.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

// Sanitizers have memory of their own beside every block.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)

namespace {

constexpr std::size_t kMax = 48 * kMiB;

std::size_t resident_bytes() {
    std::ifstream file{"/proc/self/statm"};
    std::size_t pages = 0;
    file >> pages >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Stores entries of sizes between the two until four times what fits was stored; which of them are
/// used again, and so stay longer, is chosen at random.
/// @return how many found no room
unsigned churn(LocalStore& store, double from, double to, unsigned seed) {
    unsigned refused = 0;
    static const std::string kReply(kMiB, 'x');
    std::mt19937_64 random{seed};
    std::uniform_real_distribution<double> size_log{std::log(from), std::log(to)};
    KeyBuilder builder;
    for (std::size_t sum = 0; sum < 4 * kMax;) {
        builder.clear();
        builder.add_text(std::to_string(random() % 500'000));
        const auto size = static_cast<std::size_t>(std::exp(size_log(random)));
        const weir::ByteView piece = weir::as_bytes(std::string_view{kReply}.substr(0, size));
        const std::vector<TableId> tables{static_cast<TableId>(random() % 100 + 1)};
        const auto now = kStart + std::chrono::microseconds{sum};
        const EntryFacts facts{.database = 1, .stored_at = now, .fresh_until = weir::kNever};
        auto entry = store.make({builder.view(), {&piece, 1}, tables, facts});
        if (entry == nullptr) {
            // Nothing is left to evict, and another thread is about to free what was: from tiny
            // entries to larger ones all of them may have to go.
            ++refused;
            sum += size;
            continue;
        }
        sum += entry->charge();
        static_cast<void>(store.put(std::move(entry)));
        builder.clear();
        builder.add_text(std::to_string(random() % 500'000));
        static_cast<void>(store.find(builder.view(), now));
    }
    return refused;
}

}  // namespace

TEST_CASE("what is resident is what may be, whatever the sizes of entries were and become") {
    struct Phase {
        double from;
        double to;
        unsigned threads;
    };

    const std::size_t before = resident_bytes();
    LocalStore store{{.bytes_max = kMax, .entries_max = 1'000'000, .entry_bytes_max = kMiB}};
    for (const Phase phase : {Phase{100, 1'048'576, 1},
                              Phase{100, 200, 1},
                              Phase{1'000, 8'000, 2},
                              Phase{100, 30'000, 1},
                              Phase{100, 1'048'576, 2}}) {
        std::atomic<unsigned> refused{0};
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < phase.threads; ++i) {
            threads.emplace_back([&, i] { refused += churn(store, phase.from, phase.to, i); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        const std::size_t grown = resident_bytes() - before;
        const StoreStatistics now = store.statistics();
        INFO("entries of " << phase.from << " to " << phase.to << " bytes: " << grown / 1024
                           << " KiB resident, " << now.bytes / 1024 << " KiB counted, "
                           << now.entries << " entries");
        CHECK(refused.load() <= (phase.threads == 1 ? 0U : 100U));
        CHECK(grown <= kMax + kMax / 10);
        CHECK(now.bytes <= kMax);
        CHECK(now.bytes >= kMax - kMax / 10);
    }
    store.clear();
    CHECK(resident_bytes() - before <= kMax / 10);
}

#endif
