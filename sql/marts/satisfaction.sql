-- How content customers were, month by month: what they said when asked, what
-- they complained about, and who left after a complaint.
with survey_responses as (
    select * from intermediate.survey_responses
),

complaint_days as (
    select * from intermediate.complaint_days
),

customer_days as (
    select * from intermediate.customer_days
),

known_customers as (
    select * from intermediate.known_customers
),

-- A complaint can be judged once the window after it has passed. The day
-- itself belongs to the window before, as it does at any cut day.
judged as (
    select
        complaint_days.customer_id,
        complaint_days.day,
        bool_or(
            customer_days.day > complaint_days.day
        ) as has_bought_after
    from (
        select distinct
            customer_id,
            day
        from complaint_days
        where add_days(day, $churn_window_days) <= $as_of
    ) as complaint_days
    inner join customer_days
        on complaint_days.customer_id = customer_days.customer_id
    where
        customer_days.is_purchase_day
        and customer_days.day
        > add_days(complaint_days.day, -$churn_window_days)
        and customer_days.day
        <= add_days(complaint_days.day, $churn_window_days)
    group by complaint_days.customer_id, complaint_days.day
    having bool_or(customer_days.day <= complaint_days.day)
),

complainants as (
    select
        cast(date_trunc('month', complaint_days.day) as date) as month,
        complaint_days.channel as touchpoint,
        complaint_days.customer_id,
        sum(complaint_days.complaints) as complaints,
        bool_or(judged.customer_id is not null) as is_judged,
        bool_or(coalesce(not judged.has_bought_after, false)) as has_churned
    from complaint_days
    left join judged
        on
            complaint_days.customer_id = judged.customer_id
            and complaint_days.day = judged.day
    group by
        cast(date_trunc('month', complaint_days.day) as date),
        complaint_days.channel,
        complaint_days.customer_id
),

-- A customer counts once in a row, so the total is no sum of the touchpoints.
complainants_anywhere as (
    select
        month,
        'all' as touchpoint,
        customer_id,
        sum(complaints) as complaints,
        bool_or(is_judged) as is_judged,
        bool_or(has_churned) as has_churned
    from complainants
    group by month, customer_id
),

complaint_counts as (
    select
        month,
        touchpoint,
        sum(complaints) as complaints,
        count(*) as complaining_customers,
        count(*) filter (where is_judged) as buyers_complaining,
        count(*) filter (where has_churned) as churned_after_complaint
    from (
        select * from complainants
        union all
        select * from complainants_anywhere
    ) as everyone
    group by month, touchpoint
),

answers as (
    select
        cast(date_trunc('month', day) as date) as month,
        coalesce(touchpoint, '(none)') as touchpoint,
        count(*) filter (where kind = 'nps') as nps_responses,
        count(*) filter (where kind = 'nps' and score >= 9) as promoters,
        count(*) filter (where kind = 'nps' and score <= 6) as detractors,
        count(*) filter (where kind = 'csat') as csat_responses,
        sum(cast(score as decimal(18, 6))) filter (where kind = 'csat')
            as csat_scores
    from survey_responses
    -- keeps out what is no number, too
    where kind in ('nps', 'csat') and score between -1000000 and 1000000
    group by
        cast(date_trunc('month', day) as date),
        coalesce(touchpoint, '(none)')
),

answer_counts as (
    select
        month,
        touchpoint,
        sum(nps_responses) as nps_responses,
        sum(promoters) as promoters,
        sum(detractors) as detractors,
        sum(csat_responses) as csat_responses,
        sum(csat_scores) as csat_scores
    from (
        select * from answers
        union all
        select
            month,
            'all' as touchpoint,
            nps_responses,
            promoters,
            detractors,
            csat_responses,
            csat_scores
        from answers
    ) as everywhere
    group by month, touchpoint
),

combined as (
    select
        coalesce(answer_counts.month, complaint_counts.month) as month,
        coalesce(answer_counts.touchpoint, complaint_counts.touchpoint)
            as touchpoint,
        coalesce(answer_counts.nps_responses, 0) as nps_responses,
        coalesce(answer_counts.promoters, 0) as promoters,
        coalesce(answer_counts.detractors, 0) as detractors,
        coalesce(answer_counts.csat_responses, 0) as csat_responses,
        answer_counts.csat_scores,
        coalesce(complaint_counts.complaints, 0) as complaints,
        coalesce(complaint_counts.complaining_customers, 0)
            as complaining_customers,
        coalesce(complaint_counts.buyers_complaining, 0)
            as buyers_complaining,
        coalesce(complaint_counts.churned_after_complaint, 0)
            as churned_after_complaint
    from answer_counts
    full outer join complaint_counts
        on
            answer_counts.month = complaint_counts.month
            and answer_counts.touchpoint = complaint_counts.touchpoint
),

-- Who was known by the end of each month, from the months in which customers
-- became known; null: from the start.
known_from as (
    select
        case
            when not is_known_from_start
                then cast(date_trunc('month', known_on) as date)
        end as month
    from known_customers
),

arrivals as (
    select
        month,
        count(*) as customers
    from known_from
    group by month
),

known_counts as (
    select
        months.month,
        sum(arrivals.customers) as known_customers
    from (select distinct month from combined) as months
    inner join arrivals
        on months.month >= coalesce(arrivals.month, months.month)
    group by months.month
),

final as (
    select
        combined.month,
        combined.touchpoint,
        combined.nps_responses + combined.csat_responses as responses,
        combined.nps_responses,
        100.0 * (combined.promoters - combined.detractors)
        / nullif(combined.nps_responses, 0) as nps,
        combined.promoters,
        combined.nps_responses - combined.promoters - combined.detractors
            as passives,
        combined.detractors,
        combined.csat_responses,
        cast(combined.csat_scores as double)
        / nullif(combined.csat_responses, 0) as csat,
        combined.complaints,
        known_counts.known_customers,
        1000.0 * combined.complaints
        / nullif(known_counts.known_customers, 0)
            as complaints_per_1000_customers,
        combined.complaining_customers,
        combined.buyers_complaining,
        combined.churned_after_complaint,
        cast(combined.churned_after_complaint as double)
        / nullif(combined.buyers_complaining, 0)
            as churn_rate_after_complaint,
        24 * combined.complaints as silent_estimate
    from combined
    left join known_counts on combined.month = known_counts.month
)

select * from final
