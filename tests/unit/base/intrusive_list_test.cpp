#include "base/intrusive_list.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace weir {
namespace {

struct Item : ListNode<Item> {
    explicit Item(char c) : name{c} {}

    char name;
};

std::string names(IntrusiveList<Item>& list) {
    std::string result;
    list.for_each([&result](const Item& item) { result += item.name; });
    return result;
}

TEST_SUITE("intrusive_list") {
    TEST_CASE("list: adds at both ends and counts") {
        Item a{'a'};
        Item b{'b'};
        Item c{'c'};
        IntrusiveList<Item> list;
        CHECK(list.empty());
        CHECK(list.front() == nullptr);
        CHECK(list.back() == nullptr);
        list.push_back(b);
        list.push_front(a);
        list.push_back(c);
        CHECK(list.size() == 3);
        CHECK(names(list) == "abc");
        CHECK(list.front() == &a);
        CHECK(list.back() == &c);
        CHECK(b.is_linked());
    }

    TEST_CASE("list: takes from the front until it is empty") {
        Item a{'a'};
        Item b{'b'};
        IntrusiveList<Item> list;
        list.push_back(a);
        list.push_back(b);
        CHECK(list.pop_front() == &a);
        CHECK(!a.is_linked());
        CHECK(list.size() == 1);
        CHECK(list.pop_front() == &b);
        CHECK(list.pop_front() == nullptr);
        CHECK(list.empty());
    }

    TEST_CASE("list: an item unlinks itself, twice is once") {
        Item a{'a'};
        Item b{'b'};
        Item c{'c'};
        IntrusiveList<Item> list;
        list.push_back(a);
        list.push_back(b);
        list.push_back(c);
        b.unlink();
        b.unlink();
        CHECK(names(list) == "ac");
        CHECK(list.size() == 2);
    }

    TEST_CASE("list: an item moves to another list, both count right") {
        Item a{'a'};
        IntrusiveList<Item> one;
        IntrusiveList<Item> two;
        one.push_back(a);
        a.unlink();
        two.push_back(a);
        CHECK(one.size() == 0);
        CHECK(two.size() == 1);
    }

    TEST_CASE("list: destroying an item takes it out") {
        IntrusiveList<Item> list;
        Item a{'a'};
        auto b = std::make_unique<Item>('b');
        list.push_back(a);
        list.push_back(*b);
        b.reset();
        CHECK(names(list) == "a");
        CHECK(list.size() == 1);
    }

    TEST_CASE("list: destroying the list frees its items") {
        Item a{'a'};
        Item b{'b'};
        {
            IntrusiveList<Item> list;
            list.push_back(a);
            list.push_back(b);
        }
        CHECK(!a.is_linked());
        CHECK(!b.is_linked());
    }

    TEST_CASE("list: a visitor may unlink the item it is given") {
        Item a{'a'};
        Item b{'b'};
        Item c{'c'};
        IntrusiveList<Item> list;
        list.push_back(a);
        list.push_back(b);
        list.push_back(c);
        list.for_each([](Item& item) {
            if (item.name != 'b') {
                item.unlink();
            }
        });
        CHECK(names(list) == "b");
        CHECK(list.size() == 1);
    }
}

}  // namespace
}  // namespace weir
