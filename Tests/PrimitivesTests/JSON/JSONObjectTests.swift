import Primitives
import Testing

@Suite struct JSONObjectTests {
    @Test func `members keep their order and a repeated key its first place`() {
        var object: JSONObject = ["b": 1, "a": 2]
        object["b"] = 3
        #expect(object.keys == ["b", "a"])
        #expect(object["b"] == 3)
    }

    @Test(arguments: [1, 15, 16, 17, 1000]) func `lookup finds every member`(count: Int) {
        var object = JSONObject()
        for index in 0..<count { object["k\(index)"] = .number(String(index)) }
        #expect(object.count == count)
        for index in 0..<count { #expect(object["k\(index)"]?.intValue == index) }
        #expect(object["k\(count)"] == nil)
        object["k0"] = nil
        #expect(object["k0"] == nil)
        #expect(object.count == count - 1)
        if count > 1 { #expect(object["k1"]?.intValue == 1) }
    }

    @Test func `equal objects hash alike whatever their history`() {
        var grown = JSONObject()
        for index in 0..<20 { grown["k\(index)"] = 1 }
        for index in 1..<20 { grown["k\(index)"] = nil }
        #expect(grown == ["k0": 1])
        #expect(grown.hashValue == (["k0": 1] as JSONObject).hashValue)
    }
}
