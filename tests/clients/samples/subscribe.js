var subscriptions = new Array();

subscriptions.push({
  EntityId: "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", 
  EventName: "UserAvailability" 
});

subscriptions.push({
  EntityId: "c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3", 
  EventName: "UserCallIncoming" 
});

// This will call 'Subscribe' method.
connection.invoke("Subscribe", subscriptions).then(function (payload) {
        console.log("Subscription result: " + JSON.stringify(payload));
    }).catch(function (err) {
    return console.error(err.toString());
});


// Handler to process subscription data
connection.on("MessageReceived", function (message) {
  console.log("Message details: " + message.subscription);
});  
