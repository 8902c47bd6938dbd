#include "pool/waiting_line.hpp"

#include "pool/bulkheads.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <vector>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Waits, and is told nothing.
class Waiter final : public LeaseHolder {
public:
    explicit Waiter(Duration since) { waiting_since = TimePoint{std::chrono::hours{1}} + since; }

    void on_lease(Backend& /*backend*/, Duration /*waited*/) override {}

    void on_refused(const LoginFailure& /*reason*/) override {}

    void on_prepared() override {}

    void on_prepare_failed(const protocol::ErrorFields& /*reason*/) override {}

    void on_reply(const net::WriteBatch& /*batch*/) override {}

    void on_reported(std::string_view /*name*/, std::string_view /*value*/) override {}

    void on_reply_end() override {}

    void on_progress() override {}

    void on_noted(const protocol::NotedOutcome& /*outcome*/) override {}

    void on_refusal_due(ByteView /*error*/) override {}

    void on_statements_forgotten() override {}

    void on_backend_drained() override {}

    void on_backend_lost(const BackendLoss& /*loss*/) override {}
};

constexpr Duration kStep = seconds{1};

bool anybody(const Application* /*application*/) {
    return true;
}

std::vector<const LeaseHolder*> served(WaitingLine& line) {
    std::vector<const LeaseHolder*> order;
    while (const auto next = line.next(kStep, anybody)) {
        order.push_back(next.holder);
        next.holder->unlink();
    }
    return order;
}

Application counted(const char* name) {
    Application application;
    application.count = std::make_shared<Budget>(name);
    return application;
}

TEST_SUITE("waiting_line") {
    TEST_CASE("waiting line: first come, first served") {
        WaitingLine line;
        Waiter first{seconds{0}};
        Waiter second{seconds{1}};
        CHECK(line.empty());
        line.add(first, nullptr, 0);
        line.add(second, nullptr, 0);
        CHECK(line.size() == 2);
        CHECK_FALSE(line.has_lanes());
        CHECK(line.oldest() == &first);
        CHECK(served(line) == std::vector<const LeaseHolder*>{&first, &second});
        CHECK(line.empty());
    }

    TEST_CASE("waiting line: a step of priority is worth a step of waiting") {
        WaitingLine line;
        Waiter low{milliseconds{0}};
        Waiter middle{milliseconds{3'500}};
        Waiter high{milliseconds{4'900}};
        Waiter late{milliseconds{15'100}};
        line.add(low, nullptr, -5);
        line.add(middle, nullptr, 0);
        line.add(high, nullptr, 10);
        line.add(late, nullptr, 10);  // they come too late to be served before the lowest
        CHECK(line.oldest() == &low);
        CHECK(line.by_rank(kStep).front().holder == &high);
        CHECK(served(line) == std::vector<const LeaseHolder*>{&high, &middle, &low, &late});
    }

    TEST_CASE("waiting line: ranks stay above 0, however soon after the machine's start") {
        CHECK(WaitingLine::rank_of(TimePoint{seconds{1}}, 10, kStep) == 1);
        CHECK(WaitingLine::rank_of(TimePoint{seconds{1}}, 0, kStep) == 1'000'000'000);
    }

    TEST_CASE("waiting line: who may not be served lets the others past") {
        WaitingLine line;
        Application web = counted("web");
        Application batch = counted("batch");
        Waiter first{seconds{0}};
        Waiter second{seconds{1}};
        Waiter third{seconds{2}};
        line.add(first, &batch, 0);
        line.add(second, &web, 0);
        line.add(third, &batch, 0);
        const auto not_batch = [&](const Application* application) {
            return application != &batch;
        };
        CHECK(line.next(kStep, not_batch).holder == &second);
        CHECK(line.oldest(not_batch) == &second);
        second.unlink();
        CHECK_FALSE(line.next(kStep, not_batch));
        CHECK(line.size() == 2);
        CHECK(served(line) == std::vector<const LeaseHolder*>{&first, &third});
    }

    TEST_CASE("waiting line: is cleared in the order of arrival") {
        WaitingLine line;
        Application web = counted("web");
        Waiter first{seconds{0}};
        Waiter second{seconds{1}};
        Waiter third{seconds{2}};
        line.add(first, nullptr, 1);
        line.add(third, nullptr, 1);
        line.add(second, &web, 0);
        CHECK(line.clear() == std::vector<LeaseHolder*>{&first, &second, &third});
        CHECK_FALSE(line.has_lanes());
        CHECK_FALSE(first.is_linked());
    }

    TEST_CASE("bulkheads: as many may be served as their applications have room for") {
        auto counts = std::make_shared<ApplicationCounts>();
        Bulkheads bulkheads{counts, 0};
        bulkheads.set_max(2);
        WaitingLine line;
        Application& web = bulkheads.find_or_add("web");
        CHECK(&web == &bulkheads.find_or_add("web"));
        std::vector<std::unique_ptr<Waiter>> waiters;
        for (int priority = 0; priority < 3; ++priority) {
            waiters.push_back(std::make_unique<Waiter>(seconds{priority}));
            line.add(*waiters.back(), &web, priority);
        }
        CHECK(bulkheads.eligible_count(line) == 2);
        CHECK(web.count->try_take(2));
        CHECK(bulkheads.eligible_count(line) == 1);
        CHECK_FALSE(bulkheads.announce(line, kStep));
        CHECK(web.count->waiting_since(0) == 0);  // it may be served
        CHECK(web.count->try_take(2));
        CHECK(bulkheads.eligible_count(line) == 0);
        CHECK_FALSE(bulkheads.announce(line, kStep));
        const auto first = line.next(kStep, anybody);
        CHECK(web.count->waiting_since(0) == first.rank);
        bulkheads.sweep(line);
        CHECK(web.count->waiting_since(0) == first.rank);
        waiters.clear();
        CHECK_FALSE(bulkheads.announce(line, kStep));
        CHECK(web.count->waiting_since(0) == 0);
        web.count->give_back();
        web.count->give_back();
    }

    TEST_CASE("bulkheads: names beyond the bound share a count, until some are not in use") {
        auto counts = std::make_shared<ApplicationCounts>();
        Bulkheads bulkheads{counts, 0};
        bulkheads.set_max(1);
        WaitingLine line;
        for (std::size_t i = 0; i < ApplicationCounts::kNamesMax; ++i) {
            static_cast<void>(bulkheads.find_or_add("app" + std::to_string(i)));
        }
        CHECK(&bulkheads.find_or_add("x") == &bulkheads.find_or_add("y"));
        CHECK(bulkheads.find_or_add("x").count == counts->rest());
        bulkheads.sweep(line);
        CHECK(&bulkheads.find_or_add("x") != &bulkheads.find_or_add("y"));
    }
}

}  // namespace
}  // namespace weir::pool
