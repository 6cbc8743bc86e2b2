"""MentalSpace: the integration layer of a behavioral-health EHR."""
